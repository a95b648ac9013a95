package archive

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/bloom/xxhash"

	"streamstack/events"
)

// sessionBits is how many bits of a segment's filter a session takes: one of a hundred others is taken for it.
const sessionBits = 10

// Segment is a range of the log that is archived.
type Segment struct {
	// Object is the name in the object store, NUID what it calls the chunks.
	Object string `json:"object"`
	NUID   string `json:"nuid"`
	// From and To are the range, both included. The events in it are those that were there and are not short-lived.
	From events.Seq `json:"from"`
	To   events.Seq `json:"to"`
	// First and Last are when its first and last event were stored.
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Events   int       `json:"events"`
	Bytes    int64     `json:"bytes"`
	Sessions int       `json:"sessions"`
	// Filter is a split block Bloom filter of the sessions (Parquet format, BloomFilter.md, with xxHash64), so that a
	// session's history is read without fetching segments that cannot hold it.
	Filter []byte `json:"filter"`
}

// key is where the segment is entered. Keys sort as their sequences do.
func key(from events.Seq) string { return fmt.Sprintf("%020d", from) }

// MayHold tells whether the segment may have events of a session; false is certain.
func (s Segment) MayHold(id events.SessionID) bool {
	if len(s.Filter) < bloom.BlockSize {
		return true
	}
	return bloom.MakeSplitBlockFilter(s.Filter).Check(hash(id))
}

func hash(id events.SessionID) uint64 { return xxhash.Sum64([]byte(id)) }

// setSessions notes the sessions by their hashes.
func (s *Segment) setSessions(hashes map[uint64]struct{}) {
	f := make(bloom.SplitBlockFilter, bloom.NumSplitBlocksOf(max(1, int64(len(hashes))), sessionBits))
	for h := range hashes {
		f.Insert(h)
	}
	s.Sessions, s.Filter = len(hashes), f.Bytes()
}

// parseSegment reads an entry.
func parseSegment(data []byte) (Segment, error) {
	var s Segment
	if err := json.Unmarshal(data, &s); err != nil {
		return Segment{}, fmt.Errorf("archive: entry of a segment: %w", err)
	}
	if s.From < 1 || s.To < s.From || s.Object == "" {
		return Segment{}, fmt.Errorf("archive: entry of a segment: range %d to %d in %q", s.From, s.To, s.Object)
	}
	return s, nil
}
