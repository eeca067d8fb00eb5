#!/usr/bin/env bash
# Installs what the tests talk to, where it is missing: broker, databases, browser, compiler.
set -euo pipefail
declare -A package=(
    [mosquitto]=mosquitto [influxd]=influxdb [victoria-metrics]=victoria-metrics [chromium]=chromium
    [docker-compose]=docker-compose [cc]="gcc libc6-dev"
)
missing=()
for program in "${!package[@]}"; do
    PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || missing+=(${package[$program]}) # may be two
done
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql) # not in anybody's PATH
[ ${#missing[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]} (no apt-get here; tests that need them are skipped unless CI is set)" >&2
    exit 0
fi
root=""; [ "$(id -u)" = 0 ] || root=sudo
echo "installing ${missing[*]} ..."
export DEBIAN_FRONTEND=noninteractive
$root apt-get update -qq
# The tests start their own instances on free ports: no service of the package may start by itself.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null && $root chmod +x $policy
    trap '$root rm -f $policy' EXIT
fi
$root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
