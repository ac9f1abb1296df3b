#!/bin/sh
# Process 1 of the virtual Pi: loads the modules, and then answers commands, or makes way for
# systemd, which answers them in serial.service.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
exec </dev/console >/dev/console 2>&1
for module in /lib/modules/*.ko; do
	insmod "$module" || echo "cannot load $module"
done
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
[ -d /system ] || exec /bin/serial
# The first root file system is one that no mount namespace can be made from.
mkdir /sysroot
mount -t tmpfs -o mode=755 root /sysroot
cp -a /system/. /sysroot
for dir in dev proc sys; do
	mount --move /$dir /sysroot/$dir
done
exec switch_root /sysroot /usr/lib/systemd/systemd
