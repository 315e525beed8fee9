#!/usr/bin/env bash
# Write base/secrets: a certificate authority and a certificate for the exporter, the password of Prometheus, and the
# token of forwarders. Usage: secrets.sh NAMESPACE [FOLDER]. What is there stays; remove a file to renew it.
# Needs openssl and htpasswd (apache2-utils).
set -euo pipefail
namespace=${1:?write secrets.sh NAMESPACE}
folder=${2:-$(dirname "$0")/base/secrets}
umask 077
mkdir -p "$folder"
cd "$folder"
if [ ! -e ca.key ] || [ ! -e ca.crt ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
    -subj "/CN=Render Auditor" -keyout ca.key -out ca.crt 2>/dev/null
  rm -f tls.crt
fi
if [ ! -e tls.crt ]; then
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=render-auditor" -keyout tls.key 2>/dev/null |
    openssl x509 -req -days 825 -CA ca.crt -CAkey ca.key -out tls.crt -extfile <(
      echo "subjectAltName=DNS:render-auditor,DNS:render-auditor.$namespace,DNS:render-auditor.$namespace.svc"
    ) 2>/dev/null
fi
[ -e username ] || printf prometheus >username
[ -e password ] || { openssl rand -hex 24 | tr -d '\n' >password; rm -f web.yml; }
[ -e token ] || { openssl rand -hex 24 | tr -d '\n' >token; rm -f ingest-tokens; }
[ -e ingest-tokens ] || { cat token; echo; } >ingest-tokens
if [ ! -e web.yml ]; then
  hash=$(htpasswd -niBC 10 "$(cat username)" <password)
  cat >web.yml <<YAML
tls_server_config: {cert_file: tls.crt, key_file: tls.key}
basic_auth_users:
  $(cat username): "${hash#*:}"
YAML
fi
