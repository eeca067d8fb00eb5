"""Devices that publish JSON on a local MQTT broker: Zigbee2MQTT, Tasmota, ESP32."""
