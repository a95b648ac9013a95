package snapshot

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
)

func sample(at events.Seq, state []byte) Snapshot {
	return Snapshot{
		Kind: Kind{Model: "sessions", Stream: events.SessionsStream, Schema: SchemaOf(1, struct{ A int }{})}, At: at,
		Anchor: Anchor{Seq: at, ID: "0192f1c2"}, Taken: time.Date(2026, 11, 22, 6, 0, 0, 7, time.UTC), State: state,
	}
}

func TestSealedIsOpenedAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sample(events.Seq(rapid.Uint64().Draw(t, "at")), rapid.SliceOf(rapid.Byte()).Draw(t, "state"))
		got, err := Open(Seal(s))
		if err != nil {
			t.Fatal(err)
		}
		require.Equal(t, s, got)
	})
}

// One bit turned anywhere, or any end cut off, is seen.
func TestDamageIsSeen(t *testing.T) {
	sealed := Seal(sample(7, []byte("the state of things")))
	for i := range sealed {
		for bit := range 8 {
			sealed[i] ^= 1 << bit
			_, err := Open(sealed)
			require.ErrorIs(t, err, ErrCorrupt, "byte %d, bit %d", i, bit)
			sealed[i] ^= 1 << bit
		}
		_, err := Open(sealed[:i])
		require.ErrorIs(t, err, ErrCorrupt, "cut off at %d", i)
	}
	_, err := Open(append(sealed, 0))
	require.ErrorIs(t, err, ErrCorrupt)
}

func FuzzOpen(f *testing.F) {
	f.Add(Seal(sample(7, []byte("state"))))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Behind a checksum that is right, so that the fuzzer gets past it.
		for _, sealed := range [][]byte{b, Seal(sample(1, b))} {
			if s, err := Open(sealed); err == nil {
				again, err := Open(Seal(s))
				require.NoError(t, err)
				require.Equal(t, s, again)
			}
		}
	})
}

func TestSchemaTellsTypesApart(t *testing.T) {
	type inner struct{ B []string }
	type one struct{ A *inner }
	type other struct {
		A *inner
		C bool
	}
	type list struct{ Next *list }
	seen := map[Schema]any{}
	for _, v := range []any{one{}, other{}, inner{}, list{}, time.Time{}, struct{ B []string }{}, struct{ B []int }{}, struct{ C []string }{}} {
		for version := range 3 {
			s := SchemaOf(version, v)
			require.NotContains(t, seen, s, "%T and %T", v, seen[s])
			seen[s] = v
		}
	}
}

func TestWordsTimesAndNumbersComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.SampledFrom([]string{"", "a", "b", "a longer one"})).Draw(t, "words")
		n, u := rapid.Int64().Draw(t, "n"), rapid.Uint64().Draw(t, "u")
		when := time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "nsec")).UTC()
		w := NewWriter(0)
		for _, s := range words {
			w.Word(s)
		}
		w.Int(n)
		w.Uint(u)
		w.Time(when)
		w.Time(time.Time{})
		r := NewReader(w.Bytes())
		for _, s := range words {
			require.Equal(t, s, r.Word())
		}
		require.Equal(t, n, r.Int())
		require.Equal(t, u, r.Uint())
		require.Equal(t, when, r.Time())
		require.True(t, r.Time().IsZero())
		require.NoError(t, r.Err())
	})
}
