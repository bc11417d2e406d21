#!/bin/bash
# Builds the demo guests: OUTDIR/small.qcow2, OUTDIR/postgresql.qcow2 and OUTDIR/desk.qcow2.
#
#   build.sh TOOLBOX OUTDIR [GUEST…]
#
# TOOLBOX is the Debian 13 tools tree that has every tool used here; `/` says that we run inside it already. Runs as root.
# The flow: enter the toolbox, then for each guest: packages → its own files → kernel and initrd → disk.
set -eEuo pipefail

fail() {
    echo "guests: $*" >&2
    exit 1
}
step() { echo "guests: $*"; }
trap 'fail "the build stopped at line $LINENO of build.sh; the messages before this one say why"' ERR

[[ $# -ge 2 ]] || {
    echo "usage: $0 TOOLBOX OUTDIR [GUEST...]" >&2
    exit 2
}
[[ $EUID -eq 0 ]] || fail "must run as root, because it makes files that belong to many users: run it again as root"
[[ -d $1 ]] || fail "there is no toolbox at $1: build it first"
mkdir -p "$2"
toolbox=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$2" && pwd)
shift 2
[[ $# -gt 0 ]] || set -- small postgresql desk
for guest; do
    [[ -d $here/$guest/tree ]] || fail "there is no guest $guest: the guests are small, postgresql and desk"
done

# The mounts live in a mount namespace of their own, so that nothing is left behind whatever happens. The toolbox sees
# this folder and OUTDIR below /run, which no package owns.
if [[ $toolbox != / ]]; then
    exec unshare --mount --propagation private bash -euc '
        toolbox=$1 here=$2 out=$3
        shift 3
        mount --bind "$toolbox" "$toolbox"
        for fs in dev proc sys; do mount --rbind "/$fs" "$toolbox/$fs"; done
        mount -t tmpfs -o mode=755 tmpfs "$toolbox/run"
        mkdir "$toolbox/run/guests" "$toolbox/run/out"
        mount --bind "$here" "$toolbox/run/guests"
        mount --bind "$out" "$toolbox/run/out"
        : >"$toolbox/run/prepare.sql"
        mount --bind "$here/../../appliance/dbrestart/prepare.sql" "$toolbox/run/prepare.sql"
        if [[ -f /etc/resolv.conf ]]; then
            [[ -e $toolbox/etc/resolv.conf ]] || : >"$toolbox/etc/resolv.conf"
            mount --bind /etc/resolv.conf "$toolbox/etc/resolv.conf"
        fi
        exec chroot "$toolbox" /usr/bin/env PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 TMPDIR=/run/out \
            /bin/bash /run/guests/build.sh / /run/out "$@"
    ' guests "$toolbox" "$here" "$out" "$@"
fi

# Each tool, and the package that has it.
while read -r tool package; do
    command -v "$tool" >/dev/null || fail "$tool is missing in the toolbox: add the package $package to it"
done <<'TOOLS'
mmdebstrap mmdebstrap
syslinux syslinux
mcopy mtools
mkfs.vfat dosfstools
mke2fs e2fsprogs
sfdisk fdisk
qemu-img qemu-utils
depmod kmod
cpio cpio
xz xz-utils
systemctl systemd
TOOLS
mbr=/usr/lib/SYSLINUX/mbr.bin
boot_efi=/usr/lib/systemd/boot/efi/systemd-bootx64.efi
[[ -e $boot_efi ]] || fail "$boot_efi is missing in the toolbox: add the package systemd-boot-efi to it"
sources=/etc/apt/sources.list
[[ -s $sources ]] || fail "$sources of the toolbox is missing or empty, and the guests take their mirrors from it: build it again"

# What varde db prepare prints.
prepare=/run/prepare.sql
[[ -s $prepare ]] || prepare=$here/../../appliance/dbrestart/prepare.sql

work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A list file without its comments.
items() { sed -E "/^(#|$)/d" "$@"; }

# packages GUEST ROOT: a Debian tree of the common and the guest's own packages, without what only fills disks. The kernel
# is fetched but not installed: its package brings a generator of initrds, and modules for hardware that no guest has.
packages() {
    local paths=() line
    while read -r line; do paths+=("--dpkgopt=$line"); done < <(items "$here"/{common,"$1"}/dpkg-paths)
    # shellcheck disable=SC2016 # mmdebstrap expands the hook
    mmdebstrap --mode=root --variant=essential --format=directory \
        --aptopt='APT::Install-Recommends "false"' "${paths[@]}" \
        --include="$(items "$here/common/packages" "$here/$1/packages" | paste -sd,)" \
        --customize-hook='
            export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
            kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n "s/.*Depends: //p")
            mkdir "$1/kernel" && cd "$1/kernel" && apt-get -qq -o APT::Sandbox::User=root download "$kernel"' \
        trixie "$2" "$sources" >"$work/log" 2>&1 || {
        tail -n 40 "$work/log" >&2
        fail "$1: the packages could not be installed; the lines above are mmdebstrap's last. If it names a server, check the network; if it names a package, check image/guests/$1/packages"
    }
}

# own_files GUEST ROOT: the common files and the guest's, then its own set-up, run inside the tree.
own_files() {
    local part
    for part in common "$1"; do
        cp -r --preserve=mode,timestamps --no-preserve=ownership "$here/$part/tree/." "$2/"
    done
    echo "$1" >"$2/etc/hostname"
    echo "127.0.1.1 $1" >>"$2/etc/hosts"
    local name
    while read -r name; do ln -sf /dev/null "$2/etc/systemd/system/$name"; done < <(items "$here"/{common,"$1"}/masked-units)
    for part in common "$1"; do
        while read -r name; do systemctl --quiet --root="$2" enable "$name"; done < <(items "$here/$part/enabled-units")
    done
    mkdir -p "$2/etc/systemd/system-generators"
    for name in "$2"/usr/lib/systemd/system-generators/*; do
        ln -s /dev/null "$2/etc/systemd/system-generators/${name##*/}"
    done
    install -m 644 "$prepare" "$2/run/prepare.sql"
    for part in common "$1"; do
        [[ -e $here/$part/setup.sh ]] || continue
        chroot "$2" /usr/bin/env LC_ALL=C.UTF-8 /bin/sh -eu -s <"$here/$part/setup.sh"
    done
    rm "$2/run/prepare.sql"
}

# kernel ROOT BOOT: of the fetched package the image to BOOT and the modules listed, with those they need, to the tree.
# The initrd holds the modules and a shell that loads them: a full one would take longer than all of the rest.
kernel() {
    local root=$1 boot=$2 version initrd=$work/initrd module
    dpkg-deb --fsys-tarfile "$root"/kernel/*.deb | tar -x -C "$root" ./boot ./usr/lib/modules
    rm -r "$root/kernel"
    version=$(basename "$root"/usr/lib/modules/*)
    mv "$root/boot/vmlinuz-$version" "$boot/vmlinuz"
    rm -r "${root:?}/boot"
    depmod --basedir "$root" "$version"

    mkdir -p "$initrd/bin" "$initrd/modules"
    local -A keep=()
    local number=10 path
    while read -r module; do
        while read -r _ path; do
            [[ ! -v keep[$path] ]] || continue
            keep[$path]=1
            # In the order of loading, which is what the names sort by.
            xz -dc "$path" >"$initrd/modules/$number-$module.ko"
            number=$((number + 1))
        done < <(modprobe --dirname "$root" --set-version "$version" --show-depends "$module" | grep ^insmod)
    done < <(items "$here/initrd/modules")
    while read -r path; do
        [[ -v keep[$path] ]] || rm "$path"
    done < <(find "$root/usr/lib/modules/$version/kernel" -name '*.ko.xz')
    find "$root/usr/lib/modules" -type d -empty -delete
    depmod --basedir "$root" "$version"

    cp "$root/usr/bin/busybox" "$initrd/bin/busybox"
    install -m 755 "$here/initrd/init" "$initrd/init"
    mkdir "$initrd"/{dev,proc,sys,run,root}
    (cd "$initrd" && find . | sort | cpio --quiet --create --format=newc --owner=0:0 --reproducible) >"$boot/initrd"
    rm -r "$initrd"
}

# disk GUEST ROOT BOOT MIB: the qcow2 of two partitions: FAT, which both SeaBIOS (by syslinux) and OVMF (by systemd-boot)
# start from, and the ext4 root. A table of the old kind is enough for that, and has no second copy at the end of the disk
# that would have to move when the disk is larger than the image.
disk() {
    local guest=$1 root=$2 boot=$3 mib=$4 raw=$work/$1.raw boot_mib=24
    install -D "$boot_efi" "$boot/EFI/BOOT/BOOTX64.EFI"
    cp -r "$here/boot/." "$boot/"

    truncate -s "${mib}M" "$raw"
    sfdisk --quiet "$raw" <<TABLE
label: dos
label-id: 0x76617264
start=1MiB, size=${boot_mib}MiB, type=ef, bootable
start=$((boot_mib + 1))MiB, type=83
TABLE
    dd if="$mbr" of="$raw" conv=notrunc status=none

    truncate -s "${boot_mib}M" "$work/boot.fat"
    mkfs.vfat -s 64 -n BOOT -i 76617264 "$work/boot.fat" >/dev/null
    mcopy -s -i "$work/boot.fat" "$boot"/* ::
    syslinux --install "$work/boot.fat"
    dd if="$work/boot.fat" of="$raw" bs=1M seek=1 conv=notrunc,sparse status=none

    mke2fs -q -t ext4 -L root -m 1 -J size=8 -E lazy_itable_init=0,lazy_journal_init=0,nodiscard -d "$root" \
        "$work/root.ext4" "$((mib - boot_mib - 1))M"
    dd if="$work/root.ext4" of="$raw" bs=1M seek="$((boot_mib + 1))" conv=notrunc,sparse status=none

    qemu-img convert -O qcow2 ${compress:+-c -o compression_type=zstd} "$raw" "$work/$guest.qcow2"
    mv "$work/$guest.qcow2" "$out/$guest.qcow2"
    rm "$raw" "$work/boot.fat" "$work/root.ext4"
}

# guest GUEST MIB
guest() {
    local guest=$1 root=$work/$1.root boot=$work/$1.boot started=$SECONDS
    mkdir "$boot"
    step "$guest: installing Debian packages"
    packages "$guest" "$root"
    step "$guest: setting it up"
    own_files "$guest" "$root"
    kernel "$root" "$boot"
    step "$guest: writing the disk ($(du -sm "$root" | cut -f1) MiB of files)"
    disk "$guest" "$root" "$boot" "$2"
    rm -r "$root" "$boot"
    step "$guest: done in $((SECONDS - started)) s, $(($(stat -c %s "$out/$guest.qcow2") >> 20)) MiB"
}

for guest; do
    guest "$guest" "$(items "$here/$guest/size")"
done
