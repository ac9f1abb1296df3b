package main

import (
	"net"
	"net/netip"
	"os"
	"strings"
)

// pageURL is where the live page that listens on an address is found, and
// whether other machines find it there, too. Nobody can follow a link to "all
// addresses", so machine stands for these: the name or an address of this one.
// It is empty where the address does not say enough.
func pageURL(listen, machine string) (url string, open bool) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return "", false
	}
	ip, _ := netip.ParseAddr(host)
	if host == "" || ip.IsUnspecified() {
		if machine == "" {
			return "", false
		}
		host = machine
	}
	return "http://" + net.JoinHostPort(host, port), host != "localhost" && !ip.IsLoopback()
}

// networkPage is the live page for Home Assistant: empty where it is for this
// machine alone. It has the name of this machine, not an address, because it is
// retained, and an address may be another one tomorrow.
func (d *daemon) networkPage() string {
	hostname, _ := os.Hostname()
	if url, open := pageURL(d.cfg.HTTP.Listen, networkName(hostname)); open {
		return url
	}
	return ""
}

// networkName is the name of multicast DNS, under which a Raspberry Pi is known,
// for a host name without a domain.
func networkName(hostname string) string {
	if hostname == "" || strings.Contains(hostname, ".") {
		return hostname
	}
	return hostname + ".local"
}

// ownAddress is one of this machine's own addresses that others may know, which
// works at once and without multicast DNS.
func ownAddress() string {
	address := "localhost"
	own, _ := net.InterfaceAddrs() // none where they cannot be read
	for _, a := range own {
		n, ok := a.(*net.IPNet)
		if !ok || !n.IP.IsGlobalUnicast() {
			continue
		}
		if address = n.IP.String(); n.IP.To4() != nil { // shorter, where there is one
			break
		}
	}
	return address
}
