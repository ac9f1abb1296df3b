#!/bin/sh
# Process 1 of the virtual Pi. After the word "ready" it reads lines "NUMBER COMMAND" from
# the serial line, and answers each with "done NUMBER STATUS".
export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
exec </dev/console >/dev/console 2>&1
stty -echo
for module in /lib/modules/*.ko; do
	insmod "$module" || echo "cannot load $module"
done
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
echo "ready after $(cut -d' ' -f1 /proc/uptime) s"
while read -r number command; do
	eval "$command"
	echo "done $number $?"
done
