#!/bin/sh
# After the word "ready" this reads lines "NUMBER COMMAND" from the serial line, and answers
# each with "done NUMBER STATUS".
stty -echo
echo "ready after $(cut -d' ' -f1 /proc/uptime) s"
while read -r number command; do
	eval "$command"
	echo "done $number $?"
done
