#!/bin/sh
# Installs what the end-to-end tests need (Debian), without letting an MTA or a DNS server start or be
# configured: the tests run their own, in scratch directories and on ports of their own.
set -eu
cd "$(dirname "$0")/../.."
. t/lib/packages.sh

policy=/usr/sbin/policy-rc.d
if [ "$(id -u)" = 0 ] && [ ! -e $policy ] && command -v debconf-set-selections >/dev/null 2>&1; then
    # invoke-rc.d(8): 101 means "do not start it"
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    trap 'rm -f $policy' EXIT
fi
if [ "$(id -u)" = 0 ] && command -v debconf-set-selections >/dev/null 2>&1; then
    dpkg-query -W postfix >/dev/null 2>&1 ||
        echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
fi
install_packages postfix swaks nsd m4 sasl2-bin libsasl2-modules libnet-ssleay-perl libdigest-hmac-perl openssl
