package console

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"streamstack/gateway/console/browsertest"
)

// openModules opens a page of the handler's origin with none of the console's page on it, for tests of single modules.
func openModules(t *testing.T) *browsertest.Browser {
	t.Helper()
	b := browsertest.Open(t)
	server := httptest.NewServer(http.StripPrefix("/prefix", handler(t)))
	t.Cleanup(server.Close)
	b.Do(chromedp.Navigate(server.URL + "/prefix/console/icon.svg"))
	return b
}
