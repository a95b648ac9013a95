package rate

import (
	"errors"
	"fmt"
	"time"

	"github.com/pion/rtcp"
)

// ErrFeedback is wrapped by the error for feedback that contradicts itself. The estimate is what it was.
var ErrFeedback = errors.New("rate: unusable transport-wide feedback")

const (
	// referenceUnit is the resolution of the reference time (section 3.1 of the draft); it has 24 bits and wraps after 12 days.
	referenceUnit = 64 * time.Millisecond
	referenceBits = 24
	// maxReported bounds the packets one feedback may be about: half of the sequence numbers, more would be ambiguous.
	maxReported = 1 << 15
)

// report is what a feedback says of one packet.
type report struct {
	seq      uint16
	received bool
	at       time.Duration // on the receiver's clock, from wherever it begins; of those received
}

// decoder reads feedback packets. Its state is what unwraps the receiver's clock.
type decoder struct {
	begun     bool
	reference int64 // the last reference time, unwrapped
	reports   []report
}

// decode lists what a feedback says, in the order of sequence numbers. The list is the decoder's, up to the next call.
//
// A packet that is reported as received without a time (symbol 3, which the draft reserves) counts as not reported.
func (d *decoder) decode(f *rtcp.TransportLayerCC) ([]report, error) {
	count := int(f.PacketStatusCount)
	if count == 0 || count > maxReported {
		return nil, fmt.Errorf("%w: about %d packets", ErrFeedback, count)
	}
	if f.ReferenceTime >= 1<<referenceBits {
		return nil, fmt.Errorf("%w: reference time %d", ErrFeedback, f.ReferenceTime)
	}
	reference := d.unwrap(f.ReferenceTime)
	at, deltas, seq := time.Duration(reference)*referenceUnit, f.RecvDeltas, f.BaseSequenceNumber
	d.reports = d.reports[:0]
	take := func(symbol uint16) error {
		if len(d.reports) == count {
			return nil // the rest of the last chunk is padding
		}
		r := report{seq: seq}
		seq++
		switch symbol {
		case rtcp.TypeTCCPacketReceivedSmallDelta, rtcp.TypeTCCPacketReceivedLargeDelta:
			if len(deltas) == 0 || deltas[0] == nil {
				return fmt.Errorf("%w: fewer times than packets", ErrFeedback)
			}
			at += time.Duration(deltas[0].Delta) * time.Microsecond
			deltas = deltas[1:]
			r.received, r.at = true, at
		case rtcp.TypeTCCPacketReceivedWithoutDelta:
			count--
			return nil
		}
		d.reports = append(d.reports, r)
		return nil
	}
	for _, chunk := range f.PacketChunks {
		if err := each(chunk, count-len(d.reports), take); err != nil {
			return nil, err
		}
	}
	if len(d.reports) < count {
		return nil, fmt.Errorf("%w: %d of %d packets described", ErrFeedback, len(d.reports), count)
	}
	d.begun, d.reference = true, reference
	return d.reports, nil
}

// each hands on the symbols of a chunk, at most most of a run.
func each(chunk rtcp.PacketStatusChunk, most int, take func(symbol uint16) error) error {
	switch chunk := chunk.(type) {
	case *rtcp.RunLengthChunk:
		for range min(int(chunk.RunLength), most) {
			if err := take(chunk.PacketStatusSymbol); err != nil {
				return err
			}
		}
	case *rtcp.StatusVectorChunk:
		for _, symbol := range chunk.SymbolList {
			if err := take(symbol); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("%w: chunk %T", ErrFeedback, chunk)
	}
	return nil
}

// unwrap extends a reference time to what is nearest to the last one.
func (d *decoder) unwrap(reference uint32) int64 {
	if !d.begun {
		return int64(reference)
	}
	step := int32(reference-uint32(d.reference)) << (32 - referenceBits) >> (32 - referenceBits)
	return d.reference + int64(step)
}
