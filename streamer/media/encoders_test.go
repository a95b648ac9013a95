package media

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What a missing element's error advises must be there for every element that is used.
func TestEveryElementHasAPackage(t *testing.T) {
	elements := required()
	for _, r := range rows {
		elements = append(elements, r.Elements()...)
	}
	for _, element := range elements {
		require.NotEmpty(t, packageOf(element), element)
	}
}

// The table is checked against GStreamer's documentation in its own package; here against the elements that are installed.
func TestInstalledElementsHaveTheProperties(t *testing.T) {
	require.NoError(t, initialise())
	checked := 0
	for _, r := range rows {
		for _, s := range r.Chain {
			for _, p := range s.Properties {
				if installed(s.Element) && !p.Optional {
					checked++
					require.True(t, hasProperty(s.Element, p.Name), "%s.%s", s.Element, p.Name)
				}
			}
		}
	}
	require.Greater(t, checked, 50, "those of the software encoders")
	require.False(t, hasProperty("x264enc", "tun"))
	require.False(t, hasProperty("nonsense", "bitrate"))
}

func FuzzDisplayName(f *testing.F) {
	for _, name := range []string{":0", "host:1.0", ":0 ! filesink location=/tmp/x", "\":0", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if displayName.MatchString(name) {
			require.NotRegexp(t, `[^A-Za-z0-9.:-]`, name, "no other form is a display")
		}
	})
}
