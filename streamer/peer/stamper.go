package peer

import (
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
)

// stamper writes the abs-send-time extension into each packet, on a copy of the header: what passes here may be a packet
// of the repeat buffer, which two goroutines can be sending at once.
type stamper struct{ interceptor.NoOp }

// NewInterceptor implements interceptor.Factory; the stamper has no state, so it is its own product.
func (s *stamper) NewInterceptor(string) (interceptor.Interceptor, error) {
	return s, nil
}

// BindLocalStream implements interceptor.Interceptor.
func (*stamper) BindLocalStream(info *interceptor.StreamInfo, next interceptor.RTPWriter) interceptor.RTPWriter {
	id := extensionID(info.RTPHeaderExtensions, absSendTimeURI)
	return interceptor.RTPWriterFunc(func(header *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
		stamped := header.Clone()
		if id != 0 {
			stamp, err := rtp.NewAbsSendTimeExtension(time.Now()).Marshal()
			if err != nil {
				return 0, err
			}
			if err := stamped.SetExtension(id, stamp); err != nil {
				return 0, err
			}
		}
		return next.Write(&stamped, payload, a)
	})
}

// extensionID is the negotiated id of a header extension, 0 if it was not negotiated.
func extensionID(negotiated []interceptor.RTPHeaderExtension, uri string) uint8 {
	for _, extension := range negotiated {
		if extension.URI == uri && extension.ID > 0 && extension.ID < 15 {
			return uint8(extension.ID)
		}
	}
	return 0
}
