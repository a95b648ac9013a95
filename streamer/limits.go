package streamer

const (
	// mostKbps is the highest bitrate that is aimed at, whatever the configuration says: encoders take no more.
	mostKbps = 500_000
	// unboundedKbps stands for no upper bound: more than a picture needs. usualKbps is where the bitrate begins then.
	unboundedKbps, usualKbps = 100_000, 3_000
	// leastKbps stands for no lower bound, as far as the upper one allows: below it there are fewer pictures, and not worse ones.
	leastKbps = 500
)

// maxKbps is the upper bound of the bitrate.
func (c *client) maxKbps() int {
	if c.limit.MaxKbps == 0 {
		return min(max(c.limit.MinKbps, unboundedKbps), mostKbps)
	}
	return min(c.limit.MaxKbps, mostKbps)
}

// startKbps is where the bitrate begins: high enough for a sharp first picture, with room in both directions.
func (c *client) startKbps() int {
	if c.limit.MaxKbps == 0 {
		return min(c.limit.Clamp(usualKbps), mostKbps)
	}
	return max(1, (min(c.limit.MinKbps, mostKbps)+c.maxKbps())/2)
}
