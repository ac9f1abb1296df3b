package camera

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// finder finds the capture nodes of the machine.
type finder struct {
	sys string // "/sys"
	dev string // "/dev"
	// node opens a node.
	node func(path string) (node, error)
}

var machine = finder{sys: "/sys", dev: "/dev", node: openNode}

// found is a capture node by what the file system says of it, without opening
// the node.
type found struct {
	path   string   // "/dev/video0"
	number int      // 0
	card   string   // sysfs name
	links  []string // under /dev/v4l, by-id first
	usb    bool
	ids    string // vendor:product of a USB camera, lower case hex
	serial string // of a USB camera; many have none
	text   string // product string of the USB descriptor
}

// identity is the name under which the same camera can be found on another
// node. A camera without a serial number is taken for another of its model.
func (f found) identity() string { return f.ids + ":" + f.serial + ":" + f.card }

// nodes lists the first node of every device in number order. The others of a
// device carry metadata: /dev/video1 of every webcam is one.
func (f finder) nodes() ([]found, error) {
	dirs, err := filepath.Glob(filepath.Join(f.sys, "class/video4linux/video*"))
	if err != nil {
		return nil, err
	}
	var out []found
	for _, dir := range dirs {
		number, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), "video"))
		if err != nil || attribute(dir, "index") != "0" {
			continue
		}
		n := found{path: filepath.Join(f.dev, filepath.Base(dir)), number: number, card: attribute(dir, "name")}
		// dir/device is the USB interface, and its parent the USB device.
		if parent, err := filepath.EvalSymlinks(filepath.Join(dir, "device")); err == nil {
			parent = filepath.Dir(parent)
			if vendor := attribute(parent, "idVendor"); vendor != "" {
				n.usb = true
				n.ids = strings.ToLower(vendor + ":" + attribute(parent, "idProduct"))
				n.serial, n.text = attribute(parent, "serial"), attribute(parent, "product")
			}
		}
		n.links = f.links(n.path)
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b found) int { return cmp.Compare(a.number, b.number) })
	return out, nil
}

// attribute is the trimmed content of a file in sysfs, empty if there is none.
func attribute(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// links are the names that udev keeps for the node.
func (f finder) links(path string) []string {
	var out []string
	for _, kind := range []string{"by-id", "by-path"} {
		names, _ := filepath.Glob(filepath.Join(f.dev, "v4l", kind, "*"))
		for _, name := range names {
			if to, err := filepath.EvalSymlinks(name); err == nil && to == path {
				out = append(out, name)
			}
		}
	}
	return out
}

// named reports whether the user can mean the node by name: the name of a link
// without its folder, the product name as the driver or the USB descriptor has
// it, or the USB vendor:product with or without the serial number.
func (f found) named(name string) bool {
	for _, link := range f.links {
		if filepath.Base(link) == name {
			return true
		}
	}
	if f.usb && (strings.EqualFold(name, f.ids) || strings.EqualFold(name, f.ids+":"+f.serial)) {
		return true
	}
	return name != "" && (strings.EqualFold(name, f.card) || strings.EqualFold(name, f.text))
}

// String names the node for messages.
func (f found) String() string {
	name := f.path
	if len(f.links) > 0 {
		name = f.links[0]
	}
	return fmt.Sprintf("%s (%s)", name, f.card)
}

// notCameras are drivers of the Raspberry Pi whose nodes capture from memory
// and not from a lens; auto leaves them out.
var notCameras = []string{"bcm2835-isp", "bcm2835-codec", "pispbe", "rpi-hevc", "rpivid"}

// candidates are the nodes that source can mean, best first. same is the
// identity of the camera that was open before, or empty.
func (f finder) candidates(source, same string) ([]found, error) {
	all, err := f.nodes()
	if err != nil {
		return nil, err
	}
	var out []found
	switch {
	case source == "auto":
		for _, n := range all {
			if !slices.ContainsFunc(notCameras, func(d string) bool { return strings.HasPrefix(n.card, d) }) {
				out = append(out, n)
			}
		}
		slices.SortStableFunc(out, func(a, b found) int {
			return cmp.Or(trueFirst(a.identity() == same, b.identity() == same), trueFirst(a.usb, b.usb))
		})
	case strings.HasPrefix(source, "/"):
		path, err := filepath.EvalSymlinks(source)
		if err == nil {
			return []found{f.at(path, all)}, nil
		}
		// Unplugged. A camera that comes back may get another number, and its
		// links come only if udev runs.
		for _, n := range all {
			if same != "" && n.identity() == same {
				out = append(out, n)
			}
		}
	default:
		for _, n := range all {
			if n.named(source) {
				out = append(out, n)
			}
		}
		if len(out) > 1 {
			return nil, fmt.Errorf("camera name %q means %d cameras: %s; use a name under /dev/v4l/by-path", source, len(out), join(out))
		}
	}
	switch {
	case len(out) > 0:
	case source == "auto":
		return nil, fmt.Errorf("%w: this machine has no camera; the first that is plugged in will be used", ErrGone)
	default:
		return nil, fmt.Errorf("%w: %q is not there; this machine has %s", ErrGone, source, cmp.Or(join(all), "no camera"))
	}
	return out, nil
}

// at is the node with the path. One that is in no list, such as a metadata
// node, is still tried, since the user names it.
func (f finder) at(path string, all []found) found {
	for _, n := range all {
		if n.path == path {
			return n
		}
	}
	return found{path: path}
}

func join(nodes []found) string {
	var names []string
	for _, n := range nodes {
		names = append(names, n.String())
	}
	return strings.Join(names, ", ")
}

// v4l2Camera opens the camera that a source names, whatever node it is on.
type v4l2Camera struct {
	finder finder
	config Config
	same   string // identity of the camera that was open last
}

// openV4L2 makes a camera that recovers. The device is opened by the first
// Next.
func openV4L2(c Config) (Camera, error) {
	v := v4l2Camera{finder: machine, config: c}
	return newRecovering(v.open, c), nil
}

// open starts the first candidate that can be started. Only auto has several.
func (v *v4l2Camera) open(ctx context.Context) (Camera, error) {
	nodes, err := v.finder.candidates(v.config.Source, v.same)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, n := range nodes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s, err := v.start(n)
		if err == nil {
			v.same = n.identity()
			v.config.Log.Debug("camera is open", "device", n.String(), "format", s.String())
			return s, nil
		}
		if failed == nil {
			failed = err
		} else {
			failed = fmt.Errorf("%w; %w", failed, err)
		}
	}
	return nil, failed
}

func (v *v4l2Camera) start(n found) (*capture, error) {
	node, err := v.finder.node(n.path)
	if err != nil {
		return nil, fmt.Errorf("camera %s: %w", n, err)
	}
	return newCapture(node, n.String(), v.config)
}

// List finds the cameras of the machine and what they offer, in the order of
// their numbers. A camera that cannot be opened is listed with the reason.
func List() ([]Device, error) { return machine.list() }

func (f finder) list() ([]Device, error) {
	nodes, err := f.nodes()
	if err != nil {
		return nil, err
	}
	var out []Device
	for _, n := range nodes {
		d := Device{Path: n.path, Card: n.card}
		if len(n.links) > 0 {
			d.Name = n.links[0]
		}
		if n.usb {
			d.Serial = n.ids + ":" + n.serial
		}
		node, err := f.node(n.path)
		if errors.Is(err, errNotCamera) {
			continue
		}
		if err != nil {
			d.Err = err.Error()
		} else {
			d.Driver, d.Bus = node.driver()
			d.Modes, d.Controls = node.modes(), node.controls()
			if err := node.close(); err != nil {
				d.Err = err.Error()
			}
		}
		out = append(out, d)
	}
	return out, nil
}
