// Package cameratest is a USB webcam made of software, for tests that need a
// camera to pull out, freeze and break.
//
// The webcam is a USB Video Class device (UVC 1.0) that a virtual machine sees
// on its USB bus, driven there by the guest's own driver (uvcvideo on Linux).
// It speaks the USB network redirection protocol to QEMU's usb-redir device:
//
//	guest                          host
//	uvcvideo ─ xHCI ─ usb-redir ◄── unix socket ──► Camera
//	                  (usb-guest)                   (usb-host)
//
// with QEMU started like this:
//
//	-device qemu-xhci,id=xhci
//	-chardev socket,id=cam,path=cam.sock,server=on,wait=off
//	-device usb-redir,chardev=cam,bus=xhci.0
//
// [Camera.Plug] connects to the socket, which plugs the cable in, and
// [Camera.Unplug] pulls it out. What the camera shows is set with
// [Camera.SetImage]; the bytes of every frame are those of [Encode], so a test
// knows what the program in the guest must see. [Faults] are the ways in which
// real webcams fail.
//
// From the socket to the picture:
//
//	wire.go         packets of the redirection protocol
//	session.go      one connection: control transfers and bulk requests
//	descriptors.go  what the camera says it is
//	control.go      control transfers: standard requests, UVC negotiation
//	stream.go       video payloads, paced by the frame rate
//	frame.go        pictures as YUYV and MJPEG, and broken ones
//
// References: "USB Network Redirection protocol description", version 0.7;
// "Universal Serial Bus Specification", revision 2.0, chapter 9 (USB 2.0);
// "Universal Serial Bus Device Class Definition for Video Devices", revision
// 1.0 (UVC).
package cameratest
