package timeline

import (
	"math"

	"streamstack/events"
)

func fileTransferred(d events.FileTransferredData) string {
	way := map[string]string{events.FileIn: "received ", events.FileOut: "sent "}[d.Direction]
	s := way + d.Name + ", " + size(int(min(d.Bytes, math.MaxInt)))
	if d.Result == events.FileDone {
		return s
	}
	return reasoned(s+", "+d.Result, d.Reason)
}

func deviceChanged(d events.DeviceChangedData) string {
	return reasoned(d.Device+" "+d.State, d.Reason)
}

// reasoned adds why, where that is known.
func reasoned(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}
