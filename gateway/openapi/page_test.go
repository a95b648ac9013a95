package openapi_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"streamstack/gateway/console/browsertest"
	"streamstack/gateway/openapi"
)

// serve serves the page and the document below a prefix, as a proxy would; without says that the document is not there.
func serve(t *testing.T, prefix string, without bool) string {
	t.Helper()
	page, err := openapi.Reference()
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/", page)
	if !without {
		mux.HandleFunc(openapi.Path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(openapi.Document()) // the browser has gone: nobody to tell
		})
	}
	server := httptest.NewServer(http.StripPrefix(prefix, mux))
	t.Cleanup(server.Close)
	return server.URL + prefix + openapi.ReferencePath
}

// shown opens the page and waits until it shows the document.
func shown(t *testing.T, address string) *browsertest.Browser {
	t.Helper()
	b := browsertest.Open(t)
	b.Navigate(address)
	b.Wait(`!document.querySelector('#main').hasAttribute('aria-busy')`, "the document on the page")
	require.Empty(t, b.Text("#failure"))
	return b
}

func TestThePageShowsTheDocument(t *testing.T) {
	t.Parallel()
	b := shown(t, serve(t, "", false))
	doc := document(t)
	require.Equal(t, doc.Info.Title, b.Text("#title"))
	var operations map[string]struct {
		Title, Address, Link, Parameters string
		Statuses                         []string
	}
	b.Eval(`Object.fromEntries([...document.querySelectorAll('[data-operation]')].map((e) => [e.id, {
		title: e.querySelector('h3').textContent, address: e.querySelector('.address').textContent, parameters: e.querySelector('table')?.textContent ?? '',
		link: document.querySelector('[data-link=' + e.id + ']').textContent,
		statuses: [...e.querySelectorAll('[data-status]')].map((s) => s.dataset.status),
	}]))`, &operations)
	for _, c := range calls(doc) {
		shown := operations[c.OperationID]
		require.Equal(t, c.Summary, shown.Title, c.OperationID)
		require.Equal(t, c.method+c.path, shown.Address, c.OperationID)
		require.Equal(t, c.method+c.Summary, shown.Link)
		require.ElementsMatch(t, slices.Collect(maps.Keys(c.Responses.Map())), shown.Statuses, c.OperationID)
		for _, p := range c.Parameters {
			require.Contains(t, shown.Parameters, p.Value.Name, c.OperationID)
		}
	}
	require.Len(t, operations, len(calls(doc)))
	var schemas []string
	b.Eval(`[...document.querySelectorAll('[data-schema] h3')].map((e) => e.textContent)`, &schemas)
	require.ElementsMatch(t, slices.Collect(maps.Keys(doc.Components.Schemas)), schemas)
	create := b.Text("[data-operation=create_new_session]")
	for _, text := range []string{"the header Authorization or the query's api_token", "Idempotency-Key", "CreateRequest", `"app": "testcard"`, "as the browser SDK sends it", "stun_servers", "Retry-After"} {
		require.Contains(t, create, text)
	}
	require.Contains(t, b.Text("[data-operation=create_account]"), "admin.sock")
	require.Contains(t, b.Text("[data-schema=Session]"), "required")

	var broken []string
	b.Eval(`[...document.querySelectorAll('a[href^="#"]')].map((a) => a.hash.slice(1)).filter((id) => !document.getElementById(id))`, &broken)
	require.Empty(t, broken, "links to nothing")
	var foreign []string
	b.Eval(`performance.getEntriesByType('resource').map((r) => r.name).filter((name) => !name.startsWith(location.origin))`, &foreign)
	require.Empty(t, foreign, "from elsewhere")
}

func TestThePageFindsOperations(t *testing.T) {
	t.Parallel()
	b := shown(t, serve(t, "", false))
	const visible = `[...document.querySelectorAll('[data-operation]')].filter((e) => e.checkVisibility()).map((e) => e.id)`
	var found []string
	b.Do(chromedp.SendKeys(chromedp.CSS("#filter"), "Delete share"))
	b.Wait(visible+`.length === 1`, "one operation")
	b.Eval(visible, &found)
	require.Equal(t, []string{"delete_share"}, found)
	require.Contains(t, b.Text("#found"), "1 of ")
	b.Exec(`document.querySelector('#filter').value = 'nothing of the kind'; document.querySelector('#filter').dispatchEvent(new Event('input'))`)
	b.Eval(visible, &found)
	require.Empty(t, found)
	b.Exec(`document.querySelector('#filter').value = ''; document.querySelector('#filter').dispatchEvent(new Event('input'))`)
	b.Eval(visible, &found)
	require.Len(t, found, len(calls(document(t))))
	require.Empty(t, b.Text("#found"))
}

// Behind a proxy's prefix, and with a final slash, it is the same page; an address with a fragment leads to its part.
func TestThePageBehindAPrefix(t *testing.T) {
	t.Parallel()
	address := serve(t, "/some/prefix", false)
	b := shown(t, address+"/#join_session")
	b.Wait(`Math.abs(document.querySelector('#join_session').getBoundingClientRect().top) < 100`, "the part that the address names")
	b.Navigate(address)
	b.Wait(`document.querySelector('#join_session')`, "the page without a slash")
	var document string
	b.Eval(`document.querySelector('#document').href`, &document)
	require.Equal(t, strings.Replace(address, openapi.ReferencePath, openapi.Path, 1), document)
}

func TestThePageSaysThatTheDocumentIsAway(t *testing.T) {
	t.Parallel()
	b := browsertest.Open(t)
	b.Navigate(serve(t, "", true))
	b.Wait(`document.querySelector('#failure').checkVisibility()`, "an error in words")
	require.Contains(t, b.Text("#failure"), "404")
}

// accessible lists what somebody who reads with a keyboard, a screen reader or weak eyes would stumble over: WCAG 2.2,
// criteria 1.3.1, 1.4.3, 1.4.10, 2.4.1, 3.3.2 and 4.1.1 (which browsers ask for still, for links into the page).
const accessible = `(() => {
	const wrong = [], all = (s) => [...document.querySelectorAll(s)];
	const ids = all('[id]').map((e) => e.id);
	ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => wrong.push('the id ' + id + ' twice'));
	let level = 0;
	for (const h of all('main h1, main h2, main h3, main h4')) {
		const next = Number(h.tagName[1]);
		if (level && next > level + 1) wrong.push(h.textContent + ' skips a level');
		level = next;
	}
	all('table').filter((e) => !e.caption?.textContent).forEach(() => wrong.push('a table without a caption'));
	all('input').filter((e) => e.labels.length === 0).forEach((e) => wrong.push('a field without a label: ' + e.id));
	all('[aria-labelledby]').filter((e) => !document.getElementById(e.getAttribute('aria-labelledby'))).forEach((e) => wrong.push('no label of ' + e.id));
	all('img:not([alt])').forEach((e) => wrong.push('a picture without a text: ' + e.src));
	if (document.querySelector('a, button, input').className !== 'skip') wrong.push('the first link does not skip');
	if (document.documentElement.scrollWidth > innerWidth) wrong.push('wider than the screen: ' + document.documentElement.scrollWidth);
	const rgb = (c) => c.match(/[\d.]+/g).map(Number);
	const light = (c) => rgb(c).slice(0, 3).map((v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (rgb(c)[3] !== 0) return c; } return 'rgb(255, 255, 255)'; };
	const seen = new Set();
	for (const e of all('body *')) {
		if (!e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
		const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
		const what = e.tagName + '.' + e.className;
		if (ratio < 4.5 && !seen.has(what)) { seen.add(what); wrong.push(what + ' has a contrast of ' + ratio.toFixed(1)); }
	}
	return wrong;
})()`

func TestThePageIsAccessible(t *testing.T) {
	t.Parallel()
	b := shown(t, serve(t, "", false))
	for _, scheme := range []string{"light", "dark"} {
		_, err := chromedp.Call(b.Ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		require.NoError(t, err)
		for _, width := range []int64{1280, 360} {
			b.Do(chromedp.EmulateViewport(width, 720))
			var wrong []string
			b.Eval(accessible, &wrong)
			require.Empty(t, wrong, "%s, %d wide", scheme, width)
		}
	}
}

// The policy forbids what is inline, and whatever the page and its modules name is there and is ours.
func TestThePageIsItsOwn(t *testing.T) {
	t.Parallel()
	page, err := openapi.Reference()
	require.NoError(t, err)
	get := func(path string) (string, http.Header) {
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		require.Equal(t, http.StatusOK, w.Code, path)
		text, err := io.ReadAll(w.Body)
		require.NoError(t, err)
		return string(text), w.Header()
	}
	index, header := get(openapi.ReferencePath)
	require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
	require.NotContains(t, header.Get("Content-Security-Policy"), "unsafe")
	require.NotRegexp(t, `\sstyle=|<style|\son[a-z]+=|javascript:`, index)
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:src|href)="docs/([^"]+)"`).FindAllStringSubmatch(index, -1) {
		seen[m[1]] = true
	}
	require.Contains(t, seen, "docs.js")
	modules := regexp.MustCompile(`from '\./([^']+)'`)
	for again := true; again; {
		again = false
		for name := range seen {
			text, header := get(openapi.ReferencePath + "/" + name)
			require.NotEmpty(t, header.Get("ETag"), name)
			for _, m := range modules.FindAllStringSubmatch(text, -1) {
				again = again || !seen[m[1]]
				seen[m[1]] = true
			}
			for _, address := range regexp.MustCompile(`https?://[^\s"']+`).FindAllString(text, -1) {
				require.True(t, strings.HasPrefix(address, "http://www.w3.org/"), "%s names %s", name, address)
			}
		}
	}
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, openapi.ReferencePath+"/../openapi.go", http.NoBody))
	require.Equal(t, http.StatusNotFound, w.Code)
}
