package driver

// Pull is how far an image has been fetched that instances need.
type Pull struct {
	Image string
	// Done and Total are bytes; what is not known yet counts in neither, so Total may grow.
	Done, Total int64
	// Over tells that the image is there.
	Over bool
}
