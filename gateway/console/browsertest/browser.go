// Package browsertest drives a real headless Chromium in tests.
package browsertest

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

const (
	// browserTimeout ends a test or a benchmark whose browser hangs.
	browserTimeout = 5 * time.Minute
	// startTimeout is for a browser's start, which takes half a second on a machine at rest.
	startTimeout = time.Minute
	// waitTimeout is how long a test waits for one thing, pollEvery how often it looks.
	waitTimeout = 40 * time.Second
	pollEvery   = 50 * time.Millisecond
)

// Browser is a tab of a Chromium of its own.
type Browser struct {
	T testing.TB
	// Ctx is the tab, for chromedp.
	Ctx      context.Context
	mu       sync.Mutex
	problems []string
}

// Open starts a headless Chromium, with further options, that ends with the test. Errors that the page logs fail the test at
// its end.
func Open(t testing.TB, more ...chromedp.ExecAllocatorOption) *Browser {
	t.Helper()
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], more, []chromedp.ExecAllocatorOption{
		chromedp.NoSandbox, // the tests may run as root
		chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(startTimeout),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		// A microphone that beeps and a camera that shows a pattern, and nobody who has to allow them.
		chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-fake-ui-for-media-stream", true),
		// Host candidates as addresses: names in .local need mDNS, which a test machine may not have.
		chromedp.Flag("disable-features", "WebRtcHideLocalIpsWithMdns,Translate"),
	})
	ctx, cancel := context.WithTimeout(t.Context(), browserTimeout)
	allocator, release := chromedp.NewExecAllocator(ctx, options...)
	tab, closeTab := chromedp.NewContext(allocator)
	b := &Browser{T: t, Ctx: tab}
	t.Cleanup(func() {
		closeTab()
		release()
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Empty(t, b.problems, "the page logged errors")
	})
	require.NoError(t, chromedp.Listen(tab, b.note), "start Chromium")
	b.Do(chromedp.EmulateViewport(1280, 720))
	_, err := chromedp.Call(tab, log.Enable, cdp.Empty{})
	require.NoError(t, err)
	return b
}

// Folder is for what a browser keeps (the flag user-data-dir), and is removed with the test. Unlike t.TempDir's its removal is tried again:
// processes of Chromium may still write when their first one has ended.
func Folder(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "browser-") //nolint:usetesting // as the comment says
	require.NoError(t, err)
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return os.RemoveAll(folder) == nil }, waitTimeout, pollEvery, "%s is written to", folder)
	})
	return folder
}

// note keeps uncaught exceptions and breaches of the content security policy.
func (b *Browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		problem := &chromedp.ExceptionError{ExceptionDetails: event.ExceptionDetails}
		b.problems = append(b.problems, problem.Error())
	case *log.EventEntryAdded:
		if event.Entry.Source == log.EntrySourceSecurity {
			b.problems = append(b.problems, event.Entry.Text)
		}
	}
}

// Do runs actions of chromedp.
func (b *Browser) Do(actions ...chromedp.Action[chromedp.Void]) {
	b.T.Helper()
	require.NoError(b.T, chromedp.Do(b.Ctx, actions...))
}

// Eval evaluates an expression, waits for it if it is a promise, and stores its JSON value in result.
func (b *Browser) Eval(expression string, result any) {
	b.T.Helper()
	encoded, err := chromedp.Run(b.Ctx, chromedp.Evaluate[[]byte](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.T, err, expression)
	require.NoError(b.T, json.Unmarshal(encoded, result), "%s gave %s", expression, encoded)
}

// Exec runs a script whose value does not matter.
func (b *Browser) Exec(script string) {
	b.T.Helper()
	b.Do(chromedp.Evaluate[chromedp.Void](script))
}

// Wait polls until the expression is true; what says what is being waited for.
func (b *Browser) Wait(expression, what string) {
	b.T.Helper()
	require.Eventually(b.T, func() bool {
		var done bool
		b.Eval("Boolean("+expression+")", &done)
		return done
	}, waitTimeout, pollEvery, "%s: %s; the page says %s", what, expression, b.Text("#status"))
}

// Eventually polls something outside of the page; what says what is being waited for.
func (b *Browser) Eventually(done func() bool, what string) {
	b.T.Helper()
	require.Eventually(b.T, done, waitTimeout, pollEvery, what)
}

// Text is the text of an element, as it is now.
func (b *Browser) Text(selector string) string {
	b.T.Helper()
	var text string
	b.Eval("document.querySelector(`"+selector+"`)?.textContent ?? ''", &text)
	return text
}

// Click clicks the middle of an element with a real mouse event, which counts as a gesture of the user.
func (b *Browser) Click(selector string) {
	b.T.Helper()
	b.Do(chromedp.Click(chromedp.CSS(selector)))
}

// Navigate opens an address.
func (b *Browser) Navigate(address string) {
	b.T.Helper()
	b.Do(chromedp.Navigate(address))
}
