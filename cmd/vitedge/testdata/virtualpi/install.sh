#!/usr/bin/env bash
# Installs what TestVirtualPi runs, on Debian as root or with sudo: QEMU and mosquitto,
# and in the user's cache folder the packages of a kernel, a busybox, and systemd with all
# that it depends on, for arm64, which are booted and never installed.
set -euo pipefail

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
if ! { dpkg --print-architecture && dpkg --print-foreign-architectures; } | grep -qx arm64; then
	$sudo dpkg --add-architecture arm64
fi
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends qemu-system-arm mosquitto >/dev/null

cache=${XDG_CACHE_HOME:-$HOME/.cache}/vitedge/virtualpi
mkdir -p "$cache"
cd "$cache"

# fetch PACKAGE PATTERN downloads the newest PACKAGE unless it is there, and removes other
# files like PATTERN.
fetch() {
	local file other
	# apt says nothing of a file that it finds, so it is asked where there is none.
	rm -rf incomplete && mkdir incomplete
	file=$(cd incomplete && apt-get download --print-uris "$1" | cut -d' ' -f2)
	if [ -z "$file" ]; then
		echo "apt knows no package $1" >&2
		exit 1
	fi
	if [ ! -e "$file" ]; then
		(cd incomplete && apt-get -o APT::Sandbox::User="$(id -un)" download -qq "$1")
		mv incomplete/*.deb "$file"
	fi
	rm -r incomplete
	for other in $2; do
		[ "$other" = "$file" ] || rm -f "$other"
	done
}

# linux-image-arm64 only depends on the kernel, whose name has its version in it.
kernel=$(apt-cache depends --important linux-image-arm64:arm64 | sed -n 's/^ *Depends: \(linux-image-[^: ]*\).*/\1/p' | head -n1)
if [ -z "$kernel" ]; then
	echo "linux-image-arm64:arm64 depends on no kernel" >&2
	exit 1
fi
fetch "$kernel:arm64" 'linux-image-*_arm64.deb'
fetch busybox-static:arm64 'busybox-static_*_arm64.deb'

# systemd and udev with all that they depend on, as for a machine that has nothing yet.
# apt names only files that it does not find, so it is asked where there is none.
bootstrap() {
	apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 \
		-o Dir::State::Status=/dev/null -o Dir::Cache::Archives="$PWD/$1" --no-install-recommends --yes "$2" install systemd:arm64 udev:arm64
}
mkdir -p systemd/partial
wanted=$(bootstrap nowhere --print-uris | cut -d' ' -f2)
for file in systemd/*.deb; do
	grep -qxF "$(basename "$file")" <<<"$wanted" || rm -f "$file"
done
bootstrap systemd --download-only >/dev/null
