package lifetime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/agent/driver"
	"streamstack/agent/driver/lifetime"
)

// one is an instance; all counts those that have not been asked to end.
type one struct {
	*lifetime.Life

	all   *atomic.Int32
	fails error
}

func (o *one) RequestStop() {
	o.Life.RequestStop()
	o.all.Add(-1)
}

func (o *one) Stop(ctx context.Context) error {
	if left := o.all.Load(); left > 0 {
		return fmt.Errorf("%d were not asked to end before the first was waited for", left)
	}
	o.Finish(driver.Ending{})
	return errors.Join(o.End(ctx), o.fails)
}

func TestARosterAdmitsANameOnce(t *testing.T) {
	t.Parallel()
	var r lifetime.Roster[*one]
	enter := func() *one { return &one{Life: lifetime.New()} }
	first, err := r.Admit("a", enter)
	require.NoError(t, err)
	_, err = r.Admit("a", func() *one { require.Fail(t, "it is made"); return nil })
	require.ErrorIs(t, err, driver.ErrExists)
	second, err := r.Admit("b", enter)
	require.NoError(t, err)

	renamed := false
	require.ErrorIs(t, r.Alias("b", first, func() { renamed = true }), driver.ErrExists)
	require.False(t, renamed)
	require.NoError(t, r.Alias("c", first, func() { renamed = true }))
	require.True(t, renamed)
	require.NoError(t, r.Alias("c", first, func() {}), "it is its own")
	found, lives := r.Find("c")
	require.True(t, lives)
	require.Same(t, first, found)
	require.ElementsMatch(t, []*one{first, second}, r.All())

	r.Forget("a", "", "never")
	require.False(t, r.Lives("a"))
	require.True(t, r.Lives("c"))
	_, err = r.Admit("a", enter)
	require.NoError(t, err)
}

// All are asked before any is waited for; what they fail with is told; and nobody comes in afterwards.
func TestARosterClosesAllAtOnce(t *testing.T) {
	t.Parallel()
	var r lifetime.Roster[*one]
	var all atomic.Int32
	for i := range 5 {
		var fails error
		if i == 3 {
			fails = errors.New("the engine is away")
		}
		in, err := r.Admit(fmt.Sprint(i), func() *one { all.Add(1); return &one{Life: lifetime.New(), all: &all, fails: fails} })
		require.NoError(t, err)
		require.NoError(t, r.Alias(fmt.Sprint("also-", i), in, func() {}))
	}
	begun := false
	require.NoError(t, r.Enter(func() { begun = true }))
	require.True(t, begun)
	require.EqualError(t, r.Close(t.Context()), "the engine is away")
	_, err := r.Admit("late", func() *one { require.Fail(t, "it is made"); return nil })
	require.ErrorIs(t, err, driver.ErrClosed)
	require.ErrorIs(t, r.Enter(func() { require.Fail(t, "it is begun") }), driver.ErrClosed)
}

// Whatever the order: a name is one instance's, from its admission until it is given back.
func TestARosterIsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var r lifetime.Roster[*one]
		model := map[string]*one{}
		names := rapid.SampledFrom([]string{"a", "b", "c"})
		t.Repeat(map[string]func(*rapid.T){
			"admit": func(t *rapid.T) {
				name := names.Draw(t, "name")
				in, err := r.Admit(name, func() *one { return &one{} })
				require.Equal(t, model[name] != nil, errors.Is(err, driver.ErrExists))
				if err == nil {
					model[name] = in
				}
			},
			"alias": func(t *rapid.T) {
				from, to := names.Draw(t, "from"), names.Draw(t, "to")
				if in := model[from]; in != nil {
					err := r.Alias(to, in, func() {})
					require.Equal(t, model[to] != nil && model[to] != in, err != nil)
					if err == nil {
						model[to] = in
					}
				}
			},
			"forget": func(t *rapid.T) {
				name := names.Draw(t, "name")
				r.Forget(name)
				delete(model, name)
			},
			"": func(t *rapid.T) {
				distinct := map[*one]bool{}
				for _, name := range []string{"a", "b", "c"} {
					in, _ := r.Find(name)
					require.Same(t, model[name], in)
					if in != nil {
						distinct[in] = true
					}
				}
				require.Len(t, r.All(), len(distinct))
			},
		})
	})
}

// The newest logs stay, and so does what lives or is not the driver's.
func TestARosterPrunesOldLogs(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	entry := func(name string, age int) {
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Join(path, "traces"), 0o700))
		then := time.Now().Add(-time.Duration(age) * time.Hour)
		require.NoError(t, os.Chtimes(path, then, then))
	}
	for i := range lifetime.KeepEnded + 2 {
		entry(fmt.Sprint("ended-", i), i)
	}
	entry("lives", 1000)
	entry("foreign", 1000)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "file"), nil, 0o600))
	var r lifetime.Roster[*one]
	_, err := r.Admit("lives", func() *one { return &one{} })
	require.NoError(t, err)
	require.NoError(t, r.Prune(folder, func(path string) bool { return filepath.Base(path) != "foreign" }))
	left, err := filepath.Glob(filepath.Join(folder, "ended-*"))
	require.NoError(t, err)
	require.Len(t, left, lifetime.KeepEnded)
	for i := range lifetime.KeepEnded {
		path := filepath.Join(folder, fmt.Sprint("ended-", i))
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Greater(t, time.Since(info.ModTime()), time.Duration(i)*time.Hour-time.Minute, "as old as it was")
		_, err = os.Stat(filepath.Join(path, "traces"))
		require.Equal(t, i < lifetime.KeepTraces, err == nil, "of %d: %v", i, err)
	}
	for _, name := range []string{"lives", "lives/traces", "foreign/traces", "file"} {
		_, err := os.Stat(filepath.Join(folder, name))
		require.NoError(t, err)
	}
	require.ErrorIs(t, r.Prune(filepath.Join(folder, "nowhere"), nil), os.ErrNotExist)
}
