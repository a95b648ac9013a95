package token_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/gateway/token"
)

func TestParseAuthorization(t *testing.T) {
	for value, want := range map[string]string{
		"Macaroon root=abc":        "abc",
		"macaroon root=abc":        "abc",
		"MACAROON root=abc":        "abc",
		"macaroon   root=abc":      "abc",
		"macaroon root=abc==":      "abc==",
		"macaroon root=a b=c, d":   "a b=c, d",
		"macaroon root=root=abc":   "root=abc",
		"macaroon root= abc":       " abc",
		"":                         "",
		"macaroon":                 "",
		"macaroon ":                "",
		"macaroon root=":           "",
		"macaroon abc":             "",
		"macaroon Root=abc":        "",
		"macaroon root = abc":      "",
		"macaroonroot=abc":         "",
		"macaroon\troot=abc":       "",
		" macaroon root=abc":       "",
		"Bearer abc":               "",
		"Basic a2ltOnNlY3JldA==":   "",
		"authorization=macaroon x": "",
	} {
		got, err := token.ParseAuthorization(value)
		if want == "" {
			require.ErrorIs(t, err, token.ErrInvalid, "%q", value)
			continue
		}
		require.NoError(t, err, "%q", value)
		require.Equal(t, want, got, "%q", value)
	}
}

func TestFromRequest(t *testing.T) {
	tests := map[string]struct {
		target  string
		headers []string
		want    string
		err     error
	}{
		"header":                           {"/1.0/sessions", []string{"Macaroon root=abc"}, "abc", nil},
		"query":                            {"/1.0/sessions?api_token=abc", nil, "abc", nil},
		"query, escaped":                   {"/1.0/sessions?api_token=abc%3D%3D", nil, "abc==", nil},
		"both: the header wins":            {"/1.0/sessions?api_token=query", []string{"macaroon root=header"}, "header", nil},
		"both, and the header is no token": {"/1.0/sessions?api_token=query", []string{"Bearer x"}, "", token.ErrInvalid},
		"none":                             {"/1.0/sessions", nil, "", token.ErrMissing},
		"empty query":                      {"/1.0/sessions?api_token=", nil, "", token.ErrMissing},
		"the sockets' parameter":           {"/1.0/sessions?token=abc", nil, "", token.ErrMissing},
		"two headers":                      {"/1.0/sessions", []string{"macaroon root=a", "macaroon root=b"}, "", token.ErrInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequestWithContext(t.Context(), "GET", test.target, nil)
			for _, header := range test.headers {
				request.Header.Add("Authorization", header)
			}
			got, err := token.FromRequest(request)
			require.ErrorIs(t, err, test.err)
			require.Equal(t, test.want, got)
		})
	}
}

func FuzzParseAuthorization(f *testing.F) {
	f.Add("Macaroon root=abc")
	f.Add("macaroon   root==")
	f.Fuzz(func(t *testing.T, value string) {
		got, err := token.ParseAuthorization(value)
		if (err == nil) != (got != "") {
			t.Fatalf("%q: %q and %v", value, got, err)
		}
		if err == nil && (!strings.HasSuffix(value, "root="+got) || !strings.EqualFold(value[:8], "macaroon")) {
			t.Fatalf("%q: %q was not in it", value, got)
		}
	})
}
