# What the scripts of this definition share. Sourced with the definition's directory as the current one.

set -eu

IMAGE_MIB=32        # the image that is copied to each disk
PARTITION=1M        # where its only partition begins, as mtools say it

say() {
    echo "$*"
}

fail() {
    echo "tinylinux: $*" >&2
    exit 1
}

# now: milliseconds, for telling how long things take.
now() {
    echo $(($(date +%s%N) / 1000000))
}

# took BEGUN: the seconds since then.
took() {
    ms=$(($(now) - $1))
    printf '%d.%01d s' $((ms / 1000)) $((ms % 1000 / 100))
}

# need PROGRAM PACKAGE ...: fail where programs are missing, with all of their packages at once.
need() {
    missing=
    while [ $# -gt 0 ]; do
        command -v "$1" > /dev/null || missing="$missing $2"
        shift 2
    done
    [ -z "$missing" ] || fail "missing Debian packages:$missing"
}

# cache: the directory of what is built once. Only its owner may write there: it ends up on disks.
cache() {
    if [ -n "${OSP_CACHE_DIR:-}" ]; then
        mkdir -p "$OSP_CACHE_DIR" || fail "cannot make the directory of parameter cache_dir: $OSP_CACHE_DIR"
        echo "$OSP_CACHE_DIR"
        return
    fi
    for candidate in /var/cache/gnttwist "${TMPDIR:-/tmp}/gnttwist-cache-$(id -u)"; do
        mkdir -p -m 700 "$candidate" 2> /dev/null || continue
        if [ -O "$candidate" ] && [ ! -L "$candidate" ] && [ -w "$candidate" ]; then
            echo "$candidate"
            return
        fi
    done
    fail "no directory to build in: set the parameter cache_dir"
}

# built CACHE: where the image and its tools are, or will be. Another build recipe is another place.
built() {
    sum=$(cat build init common.sh | cksum | cut -d ' ' -f 1)
    echo "$1/tinylinux-$sum"
}

# ensure CACHE: build what is not there yet. One call builds; others wait for it.
ensure() {
    [ ! -d "$(built "$1")" ] || return 0
    exec 9> "$1/lock"
    if ! flock -n 9; then
        say "Waiting for another installation that builds tinylinux"
        flock 9
    fi
    # The lock is not for the programs that build starts: one that outlived it would hold it.
    [ -d "$(built "$1")" ] || ./build "$(built "$1")" 9>&- || exit 1
    exec 9>&-
}

# tools BUILT: what works on the image's file system.
tools() {
    PATH="$1/bin:$PATH"
    # Nobody's own settings.
    export PATH MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1
}

# name_disk DISK NAME: tell the boot loader of a disk which instance it is.
name_disk() {
    # Nothing but what is in a host name may get into the boot loader's configuration.
    case "$2" in
        '' | *[!A-Za-z0-9._-]*) fail "not a name for a guest: $2" ;;
    esac
    case "${OSP_KERNEL_ARGS:-}" in
        *'
'*) fail "parameter kernel_args has more than one line" ;;
    esac
    mcopy -o -i "$1@@$PARTITION" - ::/syslinux.cfg << END || fail "this disk was not made by tinylinux: $1"
DEFAULT linux
PROMPT 0
TIMEOUT 0
NOESCAPE 1
LABEL linux
LINUX linux
INITRD initrd
APPEND quiet console=ttyS0,115200 tinylinux.name=$2 ${OSP_KERNEL_ARGS:-}
END
}
