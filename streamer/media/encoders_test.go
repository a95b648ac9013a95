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

func TestDisplayKeyIsTheSameForBothForms(t *testing.T) {
	for name, want := range map[string]string{
		":5": ":5", ":5.0": ":5", ":15.1": ":15", "host:5": "host:5", "10.0.0.1:5.0": "10.0.0.1:5", "nonsense": "nonsense",
	} {
		require.Equal(t, want, displayKey(name))
	}
}

func TestWatchersOfADisplay(t *testing.T) {
	var told []string
	one := watchDisplay(":900001", func(error) { told = append(told, "one") })
	two := watchDisplay(":900001.0", func(error) { told = append(told, "two") })
	other := watchDisplay(":900002", func(error) { told = append(told, "other") })
	defer other()
	one()
	tellWatchers(":900001.0", ErrDisplayLost)
	require.Equal(t, []string{"two"}, told)
	two()
	two() // twice does no harm
	tellWatchers(":900001", ErrDisplayLost)
	require.Len(t, told, 1)
}

func FuzzDisplayName(f *testing.F) {
	for _, name := range []string{":0", "host:1.0", ":0 ! filesink location=/tmp/x", "\":0", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if displayName.MatchString(name) {
			require.NotRegexp(t, `[^A-Za-z0-9.:-]`, name, "anything else could change the pipeline it is written into")
		}
	})
}
