package ams

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"
)

const (
	// requestTime bounds one request to AMS; launches and deletions are answered before they are done.
	requestTime = 10 * time.Second
	// pollOpen and pollShut are how often whoever waits looks by itself, with and without the event socket.
	pollOpen, pollShut = 15 * time.Second, time.Second
	// graceTime is what an instance's own hooks may take when it ends; then it is deleted by force.
	graceTime = 5 * time.Second
	// cleanTime bounds the removal of what a failed launch has left; after it the janitor goes on.
	cleanTime = 10 * time.Second
	// janitorEvery is the time between two looks for instances that nobody owns.
	janitorEvery = time.Minute
	// retryFirst and retryMost are the pauses between attempts to reach AMS again; they double.
	retryFirst, retryMost = 200 * time.Millisecond, 5 * time.Second
	// syncEvery is how old the list of applications may be: no event tells of a change.
	syncEvery = 5 * time.Second
)

// Config is what a driver is made of. All fields are required.
type Config struct {
	// URL is AMS's address, https://HOST:PORT; 8444 is AMS's own default port.
	URL string
	// Certificate and Key are PEM files: the agent's own, which AMS's trust store knows.
	Certificate, Key string
	// ServerCertificate is a PEM file with the one certificate that AMS must show.
	ServerCertificate string
	// Agent is the agent's id, with which it marks its instances.
	Agent string
	Log   *slog.Logger

	// The times above, for tests.
	times times
}

// times are those of the constants, which tests shorten.
type times struct {
	request, pollOpen, pollShut, grace, clean, janitor, sync time.Duration
}

func defaultTimes() times {
	return times{request: requestTime, pollOpen: pollOpen, pollShut: pollShut, grace: graceTime, clean: cleanTime,
		janitor: janitorEvery, sync: syncEvery}
}

// address checks and reads URL.
func (c Config) address() (*url.URL, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return nil, errors.New("ams: the address of AMS cannot be read; give https://HOST:8444")
	case u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/"):
		return nil, fmt.Errorf("ams: %s is no address of AMS; give https://HOST:8444 and nothing more", u.Redacted())
	}
	u.Path = ""
	return u, nil
}
