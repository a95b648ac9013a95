package columns

import (
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"streamstack/events"
)

// Row is one event. A column is null where the event has no such thing: a zero value, or a nil pointer where zero says
// something. Strings are dictionary-encoded where few values repeat.
//
// The order is the columns' in CSV, so new ones come before data, which stays last.
type Row struct {
	Sequence int64 `parquet:"sequence,delta,zstd"` // the place in the stream
	// Time is when the publisher says it happened, Stored when the stream took it; nanoseconds since 1970, UTC.
	Time    int64  `parquet:"time,optional,delta,timestamp(nanosecond),zstd"`
	Stored  int64  `parquet:"stored,optional,delta,timestamp(nanosecond),zstd"`
	Region  string `parquet:"region,optional,dict,zstd"`
	Session string `parquet:"session,optional,dict,zstd"`
	Actor   string `parquet:"actor,optional,dict,zstd"`
	Name    string `parquet:"name,optional,dict,zstd"`
	Type    string `parquet:"type,optional,dict,zstd"`    // ce-type
	Version int32  `parquet:"version,optional,dict,zstd"` // of the type's schema
	// AppendedType is the type that the event was appended with, if that was an older version of type.
	AppendedType string `parquet:"appended_type,optional,dict,zstd"`
	ID           string `parquet:"id,optional,zstd"`
	Source       string `parquet:"source,optional,dict,zstd"`
	Subject      string `parquet:"subject,delta,zstd"`

	Peer       string `parquet:"peer,optional,dict,zstd"`
	Generation int32  `parquet:"generation,optional,dict,zstd"` // of the client, 1 for the first
	Agent      string `parquet:"agent,optional,dict,zstd"`
	Attempt    int32  `parquet:"attempt,optional,dict,zstd"`
	Instance   string `parquet:"instance,optional,dict,zstd"`
	App        string `parquet:"app,optional,dict,zstd"`
	AppVersion int32  `parquet:"app_version,optional,dict,zstd"`
	Account    string `parquet:"account,optional,dict,zstd"`
	// Status is what the event by itself makes of its session (gateway-api.md, section 9), null where it changes nothing.
	Status   string `parquet:"status,optional,dict,zstd"`
	By       string `parquet:"by,optional,dict,zstd"`     // who asked for an end
	Part     string `parquet:"part,optional,dict,zstd"`   // what failed
	Reason   string `parquet:"reason,optional,dict,zstd"` // of an ending, a failure, a disconnection, a change
	ExitCode *int32 `parquet:"exit_code,optional,dict,zstd"`
	Signal   string `parquet:"signal,optional,dict,zstd"`
	Code     int32  `parquet:"code,optional,dict,zstd"` // close code of a websocket (RFC 6455)

	Width   int32  `parquet:"width,optional,dict,zstd"`  // pixels
	Height  int32  `parquet:"height,optional,dict,zstd"` // pixels
	FPS     int32  `parquet:"fps,optional,dict,zstd"`
	Codec   string `parquet:"codec,optional,dict,zstd"`
	Encoder string `parquet:"encoder,optional,dict,zstd"`
	// CandidateKind is of a trickled candidate, LocalKind and RemoteKind are the chosen pair's: host, srflx, prflx, relay.
	CandidateKind string `parquet:"candidate_kind,optional,dict,zstd"`
	LocalKind     string `parquet:"local_kind,optional,dict,zstd"`
	RemoteKind    string `parquet:"remote_kind,optional,dict,zstd"`
	Protocol      string `parquet:"protocol,optional,dict,zstd"`
	ConnectMs     *int64 `parquet:"connect_ms,optional,zstd"` // milliseconds from settings to connection
	Connected     *bool  `parquet:"connected,optional,zstd"`  // of a disconnection: whether it had been connected

	Quarantine  string `parquet:"quarantine,optional,dict,zstd"` // why the event must not be trusted
	ContentType string `parquet:"content_type,optional,dict,zstd"`
	DataSchema  string `parquet:"data_schema,optional,dict,zstd"`
	// TimeText is the publisher's time where nanoseconds since 1970 cannot hold it: outside 1678 to 2262.
	TimeText string `parquet:"time_text,optional,zstd"`
	Data     string `parquet:"data,json,zstd"`
}

// The times that fit into nanoseconds since 1970.
var (
	firstNano = time.Unix(0, math.MinInt64)
	lastNano  = time.Unix(0, math.MaxInt64)
)

// FromEvent makes an event's row.
func FromEvent(e events.Event) Row {
	r := Row{
		Sequence: int64(e.Sequence), Region: string(e.Region), Session: string(e.Session), Actor: string(e.Actor), Name: string(e.Name),
		Type: valid(e.Type), AppendedType: valid(e.Appended), ID: valid(e.ID), Source: valid(e.Source), Subject: valid(e.Subject),
		Status: status[e.Name], Quarantine: valid(e.Quarantine), ContentType: valid(e.ContentType), DataSchema: valid(e.Schema), Data: string(e.Data),
	}
	if e.Quarantine != "" {
		r.Status = "" // it changes nothing
	}
	if _, version, ok := events.ParseType(e.Type); ok {
		r.Version = int32(min(version, math.MaxInt32))
	}
	if !e.Stored.IsZero() {
		r.Stored = e.Stored.UnixNano()
	}
	if e.Time.Before(firstNano) || e.Time.After(lastNano) || e.Time.UnixNano() == 0 { // 0 would be null
		r.TimeText = e.Time.UTC().Format(time.RFC3339Nano)
	} else {
		r.Time = e.Time.UnixNano()
	}
	r.takeFields(e)
	return r
}

// Event restores the event that the row was made of, in the newest version of its type that this program knows. Texts
// of headers that were not UTF-8 have U+FFFD in their place, and so have control characters in them.
func (r Row) Event() events.Event {
	e := events.Event{
		ID: r.ID, Source: r.Source, Type: r.Type, Appended: r.AppendedType, Subject: r.Subject, Sequence: events.Seq(r.Sequence),
		ContentType: r.ContentType, Schema: r.DataSchema, Data: events.Raw(r.Data), Quarantine: r.Quarantine,
		Region: events.Region(r.Region), Session: events.SessionID(r.Session), Actor: events.Actor(r.Actor), Name: events.Name(r.Name),
	}
	if r.Stored != 0 {
		e.Stored = time.Unix(0, r.Stored).UTC()
	}
	if r.TimeText == "" {
		e.Time = time.Unix(0, r.Time).UTC()
	} else if t, err := time.Parse(time.RFC3339Nano, r.TimeText); err == nil {
		e.Time = t.UTC()
	}
	return e.Upcast()
}

// valid makes a text fit for a column of text: publishers write what they like. What is no UTF-8 becomes U+FFFD, and so do
// control characters, which a terminal obeys and many a database refuses (NUL); tab and line breaks stay.
func valid(s string) string {
	if !strings.ContainsFunc(s, unfit) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unfit(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// unfit finds control characters (C0, DEL and C1; ECMA-48) but tab and line breaks, and bytes that are no UTF-8.
func unfit(r rune) bool {
	return r == utf8.RuneError || (unicode.IsControl(r) && r != '\t' && r != '\r' && r != '\n')
}
