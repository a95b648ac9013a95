package settings

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of the values.
const (
	// MaxShareLife is the longest that a share may ever stand (gateway-api.md, section 11).
	MaxShareLife = 30 * 24 * time.Hour
	maxShares    = 100
	// maxCount bounds limits; it is as good as none.
	maxCount = 1_000_000_000
	// maxText bounds a value, in bytes, and maxList the entries of a list.
	maxText, maxList = 4096, 64
)

// Values are all settings. Each gateway starts with its own.
type Values struct {
	// CORSOrigins are the origins whose pages may use the API; "*" is any. CORSHeaders and CORSMethods are allowed to
	// them besides what the API itself takes.
	CORSOrigins, CORSHeaders, CORSMethods []string
	// PublicURL is where clients reach the gateways; empty: as the request came.
	PublicURL string
	// SharesPerSession is how many shares a session may have at once. ShareLife is how long one stands whose request does
	// not say, ShareMaxLife how long one can stand in all.
	SharesPerSession        int
	ShareLife, ShareMaxLife time.Duration
	// RequestsPerSecond of one account, SessionsPerAccount that live, and SocketsPerAccount that are open; 0 is no limit.
	RequestsPerSecond                     float64
	SessionsPerAccount, SocketsPerAccount int
}

// Default are the contract's figures; what is left out is empty, or no limit.
func Default() Values {
	return Values{SharesPerSession: 5, ShareLife: 12 * time.Hour, ShareMaxLife: MaxShareLife}
}

// item is one setting. set refuses a text in words that follow the item's name.
type item struct {
	name, text string
	set        func(*Values, string) error
	show       func(Values) string
}

// items are all of them, by name.
var items = []item{
	list("cors_headers", "headers that pages may send, besides those that the API takes, with commas", isToken, func(v *Values) *[]string { return &v.CORSHeaders }),
	list("cors_methods", "methods that pages may use, besides those of the API, with commas", isToken, func(v *Values) *[]string { return &v.CORSMethods }),
	list("cors_origins", "origins of pages that may use the API, with commas; * is any", CheckOrigin, func(v *Values) *[]string { return &v.CORSOrigins }),
	{
		"public_url", "where clients reach the gateways, such as https://stream.example.net; empty: as the request came",
		func(v *Values, text string) error {
			if text != "" && !IsBase(text) {
				return errors.New("must be an address such as https://stream.example.net, or empty")
			}
			v.PublicURL = text
			return nil
		},
		func(v Values) string { return v.PublicURL },
	},
	number("requests_per_second", "of one account, at each gateway; 0 is no limit", 0, maxCount, func(v *Values) *float64 { return &v.RequestsPerSecond }),
	number("sessions_per_account", "that live at once; 0 is no limit", 0, maxCount, func(v *Values) *int { return &v.SessionsPerAccount }),
	minutes("share_life_minutes", "how long a share stands whose request does not say", func(v *Values) *time.Duration { return &v.ShareLife }),
	minutes("share_max_life_minutes", "how long a share can stand in all", func(v *Values) *time.Duration { return &v.ShareMaxLife }),
	number("shares_per_session", "shares that a session may have at once", 0, maxShares, func(v *Values) *int { return &v.SharesPerSession }),
	number("sockets_per_account", "that are open at once, at each gateway; 0 is no limit", 0, maxCount, func(v *Values) *int { return &v.SocketsPerAccount }),
}

func find(name string) (item, bool) {
	i := slices.IndexFunc(items, func(it item) bool { return it.name == name })
	if i < 0 {
		return item{}, false
	}
	return items[i], true
}

func names() string {
	var all []string
	for _, it := range items {
		all = append(all, it.name)
	}
	return strings.Join(all, ", ")
}

// number is an item that is a whole number, in a field of either kind.
func number[N int | float64](name, text string, least, most int, field func(*Values) *N) item {
	return item{name, fmt.Sprintf("%s (%d to %d)", text, least, most),
		func(v *Values, text string) error {
			n, err := strconv.Atoi(text)
			if err != nil || n < least || n > most {
				return fmt.Errorf("must be a whole number from %d to %d", least, most)
			}
			*field(v) = N(n)
			return nil
		},
		func(v Values) string { return strconv.FormatFloat(float64(*field(&v)), 'f', -1, 64) }}
}

// minutes is an item that is a time.
func minutes(name, text string, field func(*Values) *time.Duration) item {
	const most = int(MaxShareLife / time.Minute)
	return item{name, fmt.Sprintf("%s (1 to %d)", text, most),
		func(v *Values, text string) error {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 || n > most {
				return fmt.Errorf("must be a whole number of minutes from 1 to %d", most)
			}
			*field(v) = time.Duration(n) * time.Minute
			return nil
		},
		func(v Values) string { return strconv.Itoa(int(*field(&v) / time.Minute)) }}
}

// list is an item of several words, with commas between them.
func list(name, text string, good func(string) error, field func(*Values) *[]string) item {
	return item{name, text,
		func(v *Values, text string) error {
			var words []string
			if len(text) > maxText {
				return fmt.Errorf("must have %d bytes at most", maxText)
			}
			for word := range strings.SplitSeq(text, ",") {
				if word = strings.TrimSpace(word); word == "" {
					continue
				}
				if err := good(word); err != nil {
					return err
				}
				words = append(words, word)
			}
			if len(words) > maxList {
				return fmt.Errorf("must have %d entries at most", maxList)
			}
			*field(v) = words
			return nil
		},
		func(v Values) string { return strings.Join(*field(&v), ",") }}
}

// CheckOrigin takes what a browser sends as Origin (RFC 6454, section 6.2), or *. It is compared as text, so what a browser
// never sends (an upper-case host, a final slash, the scheme's own port) would allow nobody, and is refused.
func CheckOrigin(word string) error {
	u, err := url.Parse(word)
	if word == "*" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		word == u.Scheme+"://"+strings.ToLower(u.Host) && u.Scheme+u.Port() != "http80" && u.Scheme+u.Port() != "https443" {
		return nil
	}
	return fmt.Errorf("takes origins as a browser sends them, such as https://app.example.net, or *, not %q", short(word))
}

// isToken takes the name of a header or a method (RFC 9110, section 5.6.2), but not the *: it would not cover
// Authorization.
func isToken(word string) error {
	if strings.ContainsFunc(word, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}*`, r)
	}) {
		return fmt.Errorf("takes names such as X-Request-Id, not %q", short(word))
	}
	if http.CanonicalHeaderKey(word) == "Cookie" {
		return errors.New("cannot take Cookie: the API takes none")
	}
	return nil
}

// IsBase tells whether a text is an address that paths can be put under.
func IsBase(text string) bool {
	u, err := url.Parse(text)
	return err == nil && len(text) <= maxText && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}
