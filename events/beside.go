package events

// MaxFileName is the length of a file's name in an event, in bytes; a longer one is cut.
const MaxFileName = 128

// Directions and results of files.
const (
	FileIn        = "in"        // from the page into the session
	FileOut       = "out"       // from the session to the page
	FileDone      = "done"      // the whole file
	FileFailed    = "failed"    // Reason says why
	FileCancelled = "cancelled" // by the page, or by its going
)

// FileTransferredData is streamer.file_transferred: a file was carried, or not. Who the peer is, joined tells.
type FileTransferredData struct {
	Peer      PeerID `json:"peer"`
	Direction string `json:"direction"`        // in, out
	Name      string `json:"name"`             // at most 128 bytes of it
	Bytes     int64  `json:"bytes"`            // that were carried
	Result    string `json:"result"`           // done, failed, cancelled
	Reason    string `json:"reason,omitempty"` // for people
}

// Devices of a client, and what became of them.
const (
	DeviceMicrophone  = "microphone"
	DeviceCamera      = "camera"
	DeviceStarted     = "started"     // applications get what it records
	DeviceEnded       = "ended"       // by itself, Reason says why; that its client has gone ends it too, without this
	DeviceUnavailable = "unavailable" // the instance has no way to show it to applications
)

// DeviceChangedData is streamer.device_changed: a client's microphone or camera came into the session, or could not.
type DeviceChangedData struct {
	Peer   PeerID `json:"peer"`
	Device string `json:"device"`           // microphone, camera
	State  string `json:"state"`            // started, ended, unavailable
	Reason string `json:"reason,omitempty"` // for people
}
