"""RFID readers that speak LLRP: which tags are in which zone."""
