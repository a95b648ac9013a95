package certificate

import (
	"crypto/tls"
	"log/slog"
	"os"
	"time"
)

// Files is a certificate that somebody else puts into files: in PEM, the certificate followed by its chain, and its key. When
// they change the new ones are used; new ones that are broken, or of which only one is there yet, are logged, once, and the
// ones of before stay.
func Files(certFile, keyFile string, log *slog.Logger) (*Source, error) {
	f := &files{cert: certFile, key: keyFile, log: log}
	f.seen = f.look() // before they are read: a change in between is seen by the next look
	c, err := load(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return &Source{refresh: f.refresh, path: certFile, have: c}, nil
}

type files struct {
	cert, key string
	log       *slog.Logger
	seen      [2]stamp
}

// stamp tells one state of a file from another; the zero one is of no file.
type stamp struct {
	changed time.Time
	size    int64
	info    os.FileInfo
}

func (s stamp) same(o stamp) bool {
	if s.info == nil || o.info == nil {
		return s.info == o.info
	}
	return s.changed.Equal(o.changed) && s.size == o.size && os.SameFile(s.info, o.info)
}

// look follows links: a mounted secret is replaced by turning a link elsewhere.
func (f *files) look() (now [2]stamp) {
	for i, name := range [2]string{f.cert, f.key} {
		if info, err := os.Stat(name); err == nil {
			now[i] = stamp{info.ModTime(), info.Size(), info}
		}
	}
	return now
}

func (f *files) refresh(have *tls.Certificate) *tls.Certificate {
	now := f.look()
	if now[0].same(f.seen[0]) && now[1].same(f.seen[1]) {
		return have
	}
	f.seen = now
	c, err := load(f.cert, f.key)
	if err != nil {
		f.log.Error("the certificate's files changed and are not usable: the ones of before stay in use", "err", err)
		return have
	}
	f.log.Info("a new certificate is in use", "file", f.cert, "sha256", fingerprint(c), "until", c.Leaf.NotAfter)
	return c
}
