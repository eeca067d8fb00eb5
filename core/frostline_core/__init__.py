"""What gateway and cloud agree on: values, codecs and state machines; no sockets, no product imports."""
