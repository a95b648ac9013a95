package peer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v3"

	"streamstack/streamer/frame"
)

// maxDescription is the largest session description read, in bytes; a browser's has some 10 kB.
const maxDescription = 64 << 10

// Errors of a client's description.
var (
	// ErrNoCommonCodec means that the client cannot decode any video codec we can encode. Tell the client and close the
	// peer; the next client is not affected.
	ErrNoCommonCodec = errors.New("peer: the client supports none of our video codecs")
	// ErrDescription means that a description is malformed or does not fit ours.
	ErrDescription = errors.New("peer: invalid session description")
)

// parseDescription reads a description (RFC 8866) and demands what pion takes for granted.
func parseDescription(text string) (*sdp.SessionDescription, error) {
	if len(text) > maxDescription {
		return nil, fmt.Errorf("%w: %d bytes, send at most %d", ErrDescription, len(text), maxDescription)
	}
	parsed := &sdp.SessionDescription{}
	if err := parsed.UnmarshalString(text); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDescription, err)
	}
	if len(parsed.MediaDescriptions) == 0 {
		return nil, fmt.Errorf("%w: it has no media line", ErrDescription)
	}
	mids := map[string]bool{}
	for i, media := range parsed.MediaDescriptions {
		mid, _ := media.Attribute(sdp.AttrKeyMID)
		if mid == "" && rejected(media) {
			continue // some stacks strip a refused line of everything
		}
		if mid == "" || mids[mid] {
			return nil, fmt.Errorf("%w: media line %d needs an a=mid of its own", ErrDescription, i)
		}
		mids[mid] = true
	}
	return parsed, nil
}

// checkAnswer compares an answer with our offer: same lines in the same order (RFC 8829, section 5.11), and video, if we
// offered to send it, accepted with one of the codecs.
func checkAnswer(offerText, answerText string, ranked []frame.Codec) error {
	offer, err := parseDescription(offerText)
	if err != nil {
		return err
	}
	answer, err := parseDescription(answerText)
	if err != nil {
		return err
	}
	if len(answer.MediaDescriptions) != len(offer.MediaDescriptions) {
		return fmt.Errorf("%w: the answer has %d media lines, our offer %d",
			ErrDescription, len(answer.MediaDescriptions), len(offer.MediaDescriptions))
	}
	for i, ours := range offer.MediaDescriptions {
		theirs := answer.MediaDescriptions[i]
		ourMID, _ := ours.Attribute(sdp.AttrKeyMID)
		theirMID, _ := theirs.Attribute(sdp.AttrKeyMID)
		if theirs.MediaName.Media != ours.MediaName.Media || theirMID != ourMID && !rejected(theirs) {
			return fmt.Errorf("%w: media line %d of the answer is not the one offered", ErrDescription, i)
		}
		if ours.MediaName.Media == "video" && has(ours, "sendonly") && !accepts(theirs, ranked) {
			return ErrNoCommonCodec
		}
	}
	return nil
}

// checkOffer looks for a line of the client's offer that takes our video. Without one the client wants no video.
func checkOffer(offerText string, ranked []frame.Codec) (wantsVideo bool, err error) {
	offer, err := parseDescription(offerText)
	if err != nil {
		return false, err
	}
	if !slices.ContainsFunc(offer.MediaDescriptions, func(m *sdp.MediaDescription) bool { return m.MediaName.Media == "application" }) {
		return false, fmt.Errorf("%w: the offer has no application line, so no input would work", ErrDescription)
	}
	for _, media := range offer.MediaDescriptions {
		if media.MediaName.Media == "video" && !has(media, "sendonly") && !has(media, "inactive") {
			wantsVideo = true
			if accepts(media, ranked) {
				return true, nil
			}
		}
	}
	if wantsVideo {
		return true, ErrNoCommonCodec
	}
	return false, nil
}

// accepts tells whether a client's media line can take one of the codecs.
func accepts(media *sdp.MediaDescription, ranked []frame.Codec) bool {
	if rejected(media) || has(media, "inactive") || has(media, "sendonly") {
		return false
	}
	for _, payloadType := range media.MediaName.Formats {
		codec, ok := codecOf(webrtc.RTPCodecCapability{
			MimeType:    "video/" + strings.SplitN(formatAttribute(media, "rtpmap", payloadType), "/", 2)[0],
			SDPFmtpLine: formatAttribute(media, "fmtp", payloadType),
		})
		if ok && slices.Contains(ranked, codec) {
			return true
		}
	}
	return false
}

// rejected tells whether a line was refused by its port (RFC 3264, section 6).
func rejected(media *sdp.MediaDescription) bool { return media.MediaName.Port.Value == 0 }

// formatAttribute is the value of `a=<key>:<payload type> <value>`.
func formatAttribute(media *sdp.MediaDescription, key, payloadType string) string {
	for _, attribute := range media.Attributes {
		if format, value, ok := strings.Cut(attribute.Value, " "); ok && attribute.Key == key && format == payloadType {
			return value
		}
	}
	return ""
}

func has(media *sdp.MediaDescription, attribute string) bool {
	_, ok := media.Attribute(attribute)
	return ok
}
