package streamer

import "math"

// lossy is an Audio whose packets can be made to bear loss.
type lossy interface {
	// SetLoss tells how many of a hundred packets are lost.
	SetLoss(percent int) error
}

// keepSound takes started sound in, nil takes it out.
func (k *captures) keepSound(a Audio) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sound = a
	k.tellLoss()
}

// lost is what part of the packets the client has lost of late, 0 to 1: its sound is encoded to bear that.
func (k *captures) lost(part float64) {
	percent := int(math.Round(100 * part))
	k.mu.Lock()
	defer k.mu.Unlock()
	if percent == k.loss {
		return
	}
	k.loss = percent
	k.tellLoss()
}

// tellLoss tells the sound, if there is any. The caller holds the lock.
func (k *captures) tellLoss() {
	if l, ok := k.sound.(lossy); ok {
		k.ignore(l.SetLoss(min(max(k.loss, 0), 100)))
	}
}
