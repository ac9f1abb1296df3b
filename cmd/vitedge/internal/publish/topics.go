package publish

// Topics are the names below the base topic of a device. src is the name of a
// camera.
type Topics struct{ Base string }

// Availability is "online" or "offline", retained; its will is the broker's.
func (t Topics) Availability() string { return t.Base + "/availability" }

// Status is the state of the device, retained.
func (t Topics) Status() string { return t.Base + "/status" }

// SourceAvailability is "online" or "offline" of a camera, retained.
func (t Topics) SourceAvailability(src string) string { return t.Base + "/" + src + "/availability" }

// State is the stable label of a camera, retained.
func (t Topics) State(src string) string { return t.Base + "/" + src + "/state" }

// Prediction is what the model says of one frame, live.
func (t Topics) Prediction(src string) string { return t.Base + "/" + src + "/prediction" }

// Event is a change of the stable label.
func (t Topics) Event(src string) string { return t.Base + "/" + src + "/event" }

// Image is the frame of the last change as JPEG, retained.
func (t Topics) Image(src string) string { return t.Base + "/" + src + "/image" }

// Setting is the value of a setting of a camera, retained.
func (t Topics) Setting(src, name string) string { return t.Base + "/" + src + "/" + name + "/state" }

// Set is where a setting is changed.
func (t Topics) Set(src, name string) string { return t.Base + "/" + src + "/" + name + "/set" }

// Command is where a command is given.
func (t Topics) Command(name string) string { return t.Base + "/cmd/" + name }

// Result is where commands are answered.
func (t Topics) Result() string { return t.Base + "/cmd/result" }
