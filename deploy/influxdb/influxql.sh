#!/bin/sh
# Runs once, after InfluxDB 2 has set itself up: makes its bucket readable by InfluxQL.
set -eu
# InfluxQL asks for a database and a retention policy; version 2 has buckets: this mapping joins them.
influx v1 dbrp create --db "$DOCKER_INFLUXDB_INIT_BUCKET" --rp autogen --default \
    --bucket-id "$DOCKER_INFLUXDB_INIT_BUCKET_ID" --org "$DOCKER_INFLUXDB_INIT_ORG"
# Grafana reads as this user and cannot write.
influx v1 auth create --username grafana --password "$(cat /run/secrets/influx_reader_password)" \
    --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID" --org "$DOCKER_INFLUXDB_INIT_ORG"
