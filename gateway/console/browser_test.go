package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
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
	// browserTimeout ends a test whose browser hangs; a test takes a few seconds.
	browserTimeout = 90 * time.Second
	// waitTimeout is how long a test waits for one thing, pollEvery how often it looks.
	waitTimeout = 20 * time.Second
	pollEvery   = 50 * time.Millisecond
)

// browser is a tab of a Chromium of its own.
type browser struct {
	t        *testing.T
	ctx      context.Context
	mu       sync.Mutex
	problems []string
}

// openBrowser starts a headless Chromium that ends with the test. Errors that the page logs fail the test at its end.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.NoSandbox, // the tests may run as root
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		// Host candidates as addresses: names in .local need mDNS, which a test machine may not have.
		chromedp.Flag("disable-features", "WebRtcHideLocalIpsWithMdns,Translate"),
	})
	ctx, cancel := context.WithTimeout(t.Context(), browserTimeout)
	allocator, release := chromedp.NewExecAllocator(ctx, options...)
	tab, closeTab := chromedp.NewContext(allocator)
	b := &browser{t: t, ctx: tab}
	t.Cleanup(func() {
		closeTab()
		release()
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Empty(t, b.problems, "the page logged errors")
	})
	require.NoError(t, chromedp.Listen(tab, b.note), "start Chromium")
	b.do(chromedp.EmulateViewport(1280, 720))
	_, err := chromedp.Call(tab, log.Enable, cdp.Empty{})
	require.NoError(t, err)
	return b
}

// note keeps uncaught exceptions and breaches of the content security policy.
func (b *browser) note(event any) {
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

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, actions...))
}

// eval evaluates an expression, waits for it if it is a promise, and stores its JSON value in result.
func (b *browser) eval(expression string, result any) {
	b.t.Helper()
	encoded, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]byte](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, expression)
	require.NoError(b.t, json.Unmarshal(encoded, result), "%s gave %s", expression, encoded)
}

// exec runs a script whose value does not matter.
func (b *browser) exec(script string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](script))
}

// wait polls until the expression is true; what says what is being waited for.
func (b *browser) wait(expression, what string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		var done bool
		b.eval("Boolean("+expression+")", &done)
		return done
	}, waitTimeout, pollEvery, "%s: %s; the page says %s", what, expression, b.text("#status"))
}

// eventually polls something outside of the page; what says what is being waited for.
func (b *browser) eventually(done func() bool, what string) {
	b.t.Helper()
	require.Eventually(b.t, done, waitTimeout, pollEvery, what)
}

// text is the text of an element, as it is now.
func (b *browser) text(selector string) string {
	b.t.Helper()
	var text string
	b.eval("document.querySelector(`"+selector+"`)?.textContent ?? ''", &text)
	return text
}

// click clicks the middle of an element with a real mouse event, which counts as a gesture of the user.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// openModules opens a page of the handler's origin with none of the console's page on it, for tests of single modules.
func openModules(t *testing.T) *browser {
	t.Helper()
	b := openBrowser(t)
	server := httptest.NewServer(http.StripPrefix("/prefix", handler(t)))
	t.Cleanup(server.Close)
	b.do(chromedp.Navigate(server.URL + "/prefix/console/icon.svg"))
	return b
}
