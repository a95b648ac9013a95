package token

import (
	"fmt"
	"net/http"
	"strings"
)

const (
	scheme = "macaroon"
	prefix = "root="

	// queryParameter carries the token of clients that cannot set headers.
	queryParameter = "api_token"
)

// FromRequest returns the API token that a request carries: in the header `Authorization`, or else in the query as
// `api_token`. Where both are given the header counts, even a malformed one. The errors are ErrMissing and ErrInvalid.
func FromRequest(request *http.Request) (string, error) {
	switch headers := request.Header.Values("Authorization"); len(headers) {
	case 0:
		if token := request.URL.Query().Get(queryParameter); token != "" {
			return token, nil
		}
		return "", ErrMissing
	case 1:
		return ParseAuthorization(headers[0])
	default:
		return "", fmt.Errorf("%w: more than one Authorization header", ErrInvalid)
	}
}

// ParseAuthorization returns the token in the value of an `Authorization` header: the scheme `macaroon` in upper or lower
// case, one or more spaces, `root=`, and the token to the end of the value.
func ParseAuthorization(value string) (string, error) {
	given, rest, _ := strings.Cut(value, " ")
	if !strings.EqualFold(given, scheme) {
		return "", fmt.Errorf("%w: the Authorization header is not of the form `macaroon root=TOKEN`", ErrInvalid)
	}
	token, found := strings.CutPrefix(strings.TrimLeft(rest, " "), prefix)
	if !found || token == "" {
		return "", fmt.Errorf("%w: the Authorization header has no `root=TOKEN` after `%s`", ErrInvalid, given)
	}
	return token, nil
}
