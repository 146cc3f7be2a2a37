// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

// ParseBatch reads the events of a body of the media type application/cloudevents-batch+json, in
// their order. One event that is refused refuses the batch: the *Error holds its index. An empty
// batch is no error. The events keep slices of body.
func ParseBatch(namespace string, body []byte) ([]*Event, error) {
	if len(body) > MaxBatchBytes {
		return nil, refuse(TooLarge, "", "the batch takes %d bytes, more than the %d that are allowed; send several", len(body), MaxBatchBytes)
	}
	if err := checkJSON(body); err != nil {
		return nil, err
	}
	// 256 bytes are a small event: enough of a guess to spare most of the growing.
	events := make([]*Event, 0, min(len(body)/256+1, MaxBatchEvents))
	isArray, err := elements(body, func(value []byte) error {
		if len(events) == MaxBatchEvents {
			return refuse(TooLarge, "", "the batch holds more than %d events; send several", MaxBatchEvents)
		}
		e, err := parseElement(namespace, value)
		if err != nil {
			return at(len(events), err)
		}
		events = append(events, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !isArray {
		return nil, malformed("", "a batch must be a JSON array of events")
	}
	return events, nil
}

func parseElement(namespace string, value []byte) (*Event, error) {
	if len(value) > MaxEventBytes {
		return nil, refuse(TooLarge, "", "takes %d bytes, more than the %d that are allowed", len(value), MaxEventBytes)
	}
	return parseObject(namespace, value)
}
