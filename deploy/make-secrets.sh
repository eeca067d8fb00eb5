#!/bin/sh
# Makes every secret that docker-compose.yml names, random, in ./secrets; what exists is kept.
#
#   sh deploy/make-secrets.sh                     the secrets, and the gateway gw-1 of site harbour
#   sh deploy/make-secrets.sh harbour gw-2        one more gateway; then: docker compose restart mosquitto
#
# To change a secret, delete its file and run this again. FROSTLINE_SECRETS names another folder.
set -eu
umask 077
here=$(cd "$(dirname "$0")/.." && pwd)
folder=${FROSTLINE_SECRETS:-$here/secrets}
site=${1:-harbour} node=${2:-gw-1}
image=eclipse-mosquitto:2.0.22

for id in "$site" "$node"; do
    case $id in
    *[!A-Za-z0-9_.-]* | '' | . | ..) echo "make-secrets: '$id': site and node are letters, digits, _ . and -" >&2; exit 2 ;;
    esac
done

random_into() {
    [ -s "$1" ] || head -c 48 /dev/urandom | base64 | tr -d '+/=\n' | head -c 40 >"$1"
}

mkdir -p "$folder/gateways/$site"
for name in influx_admin_password influx_token influx_reader_password grafana_admin_password cloud_mqtt_password; do
    random_into "$folder/$name"
done
random_into "$folder/gateways/$site/$node"

# The broker's users and what each may do. A gateway is the user <node>@<site>: it publishes its own topics only,
# and reads its own commands and the host's STATE.
passwords=$folder/mosquitto_passwords acl=$folder/mosquitto_acl
printf 'frostline-cloud:%s\n' "$(cat "$folder/cloud_mqtt_password")" >"$passwords.new"
{
    echo "user frostline-cloud"
    echo "topic readwrite spBv1.0/#"
} >"$acl.new"
for file in "$folder"/gateways/*/*; do
    n=$(basename "$file") s=$(basename "$(dirname "$file")")
    printf '%s@%s:%s\n' "$n" "$s" "$(cat "$file")" >>"$passwords.new"
    {
        echo
        echo "user $n@$s"
        for type in NBIRTH NDATA NDEATH; do echo "topic write spBv1.0/$s/$type/$n"; done
        for type in DBIRTH DDATA DDEATH; do echo "topic write spBv1.0/$s/$type/$n/+"; done
        echo "topic read spBv1.0/$s/NCMD/$n"
        echo "topic read spBv1.0/$s/DCMD/$n/+"
        echo "topic read spBv1.0/STATE/+"
    } >>"$acl.new"
done

# mosquitto_passwd -U turns the plain passwords into salted hashes, in place.
if command -v mosquitto_passwd >/dev/null; then
    mosquitto_passwd -U "$passwords.new"
else
    docker run --rm --network none --user "$(id -u):$(id -g)" -v "$folder:/secrets" "$image" \
        mosquitto_passwd -U /secrets/mosquitto_passwords.new
fi
# Into the same files, so that containers that have them mounted see the change.
cat "$passwords.new" >"$passwords"
cat "$acl.new" >"$acl"
rm -f "$passwords.new" "$acl.new"

# Containers run as users of their own: the folder keeps others on this machine out, the files let them read.
find "$folder" -type f -exec chmod 644 {} +
echo "secrets for $node@$site are in $folder"
