package agent

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/agent/application"
)

// Whatever waits and whatever the last sessions were: step by step it comes to as many as are wanted and have room, for the right
// applications, and stays there.
func TestThePlanComesToAnEnd(t *testing.T) {
	t.Parallel()
	screen := application.Screen{Width: 1280, Height: 720, FPS: 30}
	var apps []application.Application
	for _, name := range []string{"a", "b", "c"} {
		apps = append(apps, application.Application{Name: name, Version: 1, Command: []string{name}, Screen: screen})
	}
	offered, err := application.New(apps...)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		d := &warmMemory{picky: rapid.Bool().Draw(t, "each fits its own application only")}
		wait := func(app string) *waiting {
			w := &memoryWarm{d: d, done: make(chan struct{})}
			w.spec.Application.Name = app
			return &waiting{Warm: w, app: app, out: make(chan struct{})}
		}
		name := rapid.SampledFrom(offered.Names())
		p := &pool{want: rapid.IntRange(1, 4).Draw(t, "wanted"), changed: make(chan struct{}, 1), log: slog.New(slog.DiscardHandler)}
		p.recent = rapid.SliceOfN(name, 0, p.want).Draw(t, "the last sessions")
		for _, app := range rapid.SliceOfN(name, 0, 6).Draw(t, "those that wait") {
			p.idle = append(p.idle, wait(app))
		}
		room := rapid.IntRange(-1, 5).Draw(t, "room")
		steps := 0
		for ; steps < 20; steps++ {
			app, surplus, _ := p.next(room, offered)
			if app == nil && surplus == nil {
				break
			}
			if surplus != nil {
				require.True(t, p.drop(surplus), "it waits")
				continue
			}
			p.idle = append(p.idle, wait(app.Name))
			require.LessOrEqual(t, len(p.idle), min(room, p.want), "no more than there is room for")
		}
		require.Less(t, steps, 20, "it goes on for ever")
		require.Len(t, p.idle, max(0, min(room, p.want)))
		if !d.picky {
			return
		}
		var has, wants []string
		for _, w := range p.idle {
			has = append(has, w.app)
		}
		for _, a := range p.wanted(offered) {
			wants = append(wants, a.Name)
		}
		if len(has) == len(wants) {
			require.ElementsMatch(t, wants, has)
		}
		require.Subset(t, wants, has)
	})
}
