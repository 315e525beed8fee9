#!/usr/bin/env bash
# Install the real services that tests run against, from Debian's packages: services.sh redis-server [postgresql …]
set -euo pipefail
# Test workers ask at the same time; apt does not like that.
exec 9>"${TMPDIR:-/tmp}/render-auditor-services.lock"
flock 9
missing=()
for package in "$@"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
run=()
[ "$(id -u)" -eq 0 ] || run=(sudo -n)
export DEBIAN_FRONTEND=noninteractive
# A package that starts its own service would take a well-known port; the tests start their own on free ones.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${run[@]}" tee "$policy" >/dev/null
  "${run[@]}" chmod +x "$policy"
  trap '"${run[@]}" rm -f "$policy"' EXIT
fi
"${run[@]}" apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
  "${run[@]}" apt-get update >/dev/null
  "${run[@]}" apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "${missing[@]}" >/dev/null
}
