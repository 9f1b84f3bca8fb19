# install_packages NAME...: installs what is missing (Debian), saying what it does. Sourced.
install_packages() {
    if ! command -v dpkg-query >/dev/null 2>&1; then
        echo "no Debian package manager here; configure will say what is missing"
        return 0
    fi
    wanted=
    for p in "$@"; do
        dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null | grep -q ' installed$' || wanted="$wanted $p"
    done
    if [ -z "$wanted" ]; then
        echo "all there: $*"
        return 0
    fi
    echo "installing:$wanted"
    sudo=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || {
            echo "please install them as root: apt-get install$wanted" >&2
            exit 69
        }
        sudo=sudo
    fi
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    if $sudo apt-get update >"$log" 2>&1 &&
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $wanted >>"$log" 2>&1; then
        rm -f "$log"
    else
        tail -n 20 "$log" >&2
        rm -f "$log"
        echo "apt-get could not install:$wanted" >&2
        exit 69
    fi
}
