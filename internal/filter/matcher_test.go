// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/event"
)

func TestMatcher_Expressions(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		// Attributes.
		`event.data.total > 100 && event.subject.startsWith("orders/")`: true,
		`event.type == "com.example.order.created"`:                     true,
		`event.id == "17" && event.source.endsWith("/orders")`:          true,
		`event.specversion == "1.0"`:                                    true,
		`event.datacontenttype == "application/json"`:                   true,
		`event.time > timestamp("2026-01-01T00:00:00Z")`:                true,
		`event.time.getHours() == 10`:                                   true,
		`event.region == "eu" && event.attempt > 2 && event.dryrun`:     true,
		`event.blob == b"\x01"`:                                         true,
		`event.posthornorigin == "system:serviceaccount:team-a:shop"`:   true,
		`event.posthornorigin.startsWith("receiver:")`:                  false,
		// Presence.
		`has(event.subject) && has(event.data.customer.email)`: true,
		`has(event.dataschema)`:                                false,
		`has(event.nosuch)`:                                    false,
		`has(event.data.nosuch)`:                               false,
		`has(event.data.total.nosuch)`:                         false,
		`event.?dataschema.orValue("none") == "none"`:          true,
		`event.?subject.orValue("none") == "orders/17"`:        true,
		`event.?posthornorigin.hasValue()`:                     true,
		`dyn(event).id == "17" && has(dyn(event).region)`:      true,
		`dyn(event).nosuch == "17" || has(dyn(event).nosuch)`:  false,
		`event.data.?nosuch.?deeper.orValue(5) == 5`:           true,
		// What is missing does not match, and does not spoil the other side of an "or".
		`event.data.nosuch > 100`:                                 false,
		`event.data.nosuch != 100`:                                false,
		`event.data.note.deeper == 1`:                             false,
		`event.data.lines[7].n == 1`:                              false,
		`event.dataschema == ""`:                                  false,
		`event.nosuch == "x"`:                                     false,
		`event.data.nosuch == 1 || event.data.total > 100`:        true,
		`!(event.data.nosuch == 1)`:                               false,
		`event.data.lines.exists(l, l.price > 1)`:                 false,
		`event.data.lines.exists(l, l.price > 1 || l.sku == "b")`: true,
		// Numbers.
		`event.data.total > 129 && event.data.total < 130`: true,
		`event.data.count > 2 && event.data.count < 3.5`:   true,
		`event.data.count == 3.0 && event.data.count == 3`: true,
		`event.data.count + 1 == 4`:                        true,
		`event.data.total * 2.0 == 259.0`:                  true,
		`event.data.big == 9007199254740993`:               true,
		`event.data.big == 9007199254740992`:               false,
		`event.data.huge == 18446744073709551615u`:         true,
		`event.data.vast > 1e300`:                          true,
		`math.greatest(event.data.count, 10) == 10`:        true,
		// Text, lists and maps.
		`event.data.customer.email.matches("^[a-z]+@example[.]com$")`:                true,
		`event.data.customer["email"].contains("@")`:                                 true,
		`"vip" in event.data.customer.tags`:                                          true,
		`"paid" in event.data`:                                                       true,
		`event.data.lines.exists(l, l.sku == "b" && l.n == 2)`:                       true,
		`event.data.lines.all(l, l.n > 0)`:                                           true,
		`event.data.lines.map(l, l.n) == [1, 2]`:                                     true,
		`size(event.data.lines) == 2`:                                                true,
		`event.data.note == null`:                                                    true,
		`event.data.customer.tags.join(",") == "vip,eu"`:                             true,
		`event.subject.split("/")[1] == "17"`:                                        true,
		`event.subject.replace("orders", "x").upperAscii() == "X/17"`:                true,
		`event.subject.indexOf("/") == 6 && event.subject.substring(7) == "17"`:      true,
		`event.data.customer == {"email": "ann@example.com", "tags": ["vip", "eu"]}`: true,
		`base64.encode(b"a") == "YQ=="`:                                              true,
		`type(event.data.total) == double && type(event.data.count) == int`:          true,
		`event == event`:             true,
		`type(event) == type(event)`: true,
	}
	for expression, want := range tests {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			if got := mustMatch(t, expression, order()); got != want {
				t.Errorf("matches = %t, want %t", got, want)
			}
		})
	}
}

func TestMatcher_DataThatIsNotAnObject(t *testing.T) {
	t.Parallel()
	data := func(contentType, data string) *event.Event {
		return &event.Event{ID: "1", Source: "/s", Type: "t", DataContentType: contentType, Data: []byte(data)}
	}
	tests := map[string]struct {
		event      *event.Event
		expression string
		want       bool
	}{
		"no data is not there":         {&event.Event{}, `has(event.data)`, false},
		"no data does not match":       {&event.Event{}, `event.data.total > 1`, false},
		"no time is not there":         {&event.Event{}, `has(event.time)`, false},
		"no time does not match":       {&event.Event{}, `event.time < timestamp("2030-01-01T00:00:00Z")`, false},
		"null is there":                {data("", `null`), `has(event.data) && event.data == null`, true},
		"a number":                     {data("", `7`), `event.data > 6`, true},
		"a list":                       {data("", `[1,2]`), `event.data[1] == 2`, true},
		"text is a string":             {data("text/plain", "hello"), `event.data.startsWith("he")`, true},
		"text that looks like JSON":    {data("text/plain", "[1]"), `event.data == "[1]"`, true},
		"bytes":                        {data("image/png", "\x89PNG\xff"), `event.data == b"\x89PNG\xff"`, true},
		"of two members the last":      {data("", `{"a":1,"a":2}`), `event.data.a == 2`, true},
		"JSON that is broken is text":  {data("", `{"a":`), `event.data.startsWith("{")`, true},
		"two JSON values are text":     {data("", `1 2`), `event.data == "1 2"`, true},
		"a number that is no integer":  {data("", `-0.0`), `event.data == 0`, true},
		"a number in exponent form":    {data("", `1e2`), `event.data == 100`, true},
		"the least integer":            {data("", `-9223372036854775808`), `event.data == -9223372036854775808`, true},
		"an integer beyond 64 bits":    {data("", `100000000000000000000`), `event.data > 18446744073709551615u`, true},
		"a number that is no double":   {data("", `-1e999`), `event.data < -1e308`, true},
		"escapes in names and strings": {data("", `{"a\u0041":"\n\ud83c\udf0e"}`), `event.data.aA == "\n🌎"`, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := mustMatch(t, tc.expression, tc.event); got != tc.want {
				t.Errorf("%s matches = %t, want %t", tc.expression, got, tc.want)
			}
		})
	}
}

func TestMatcher_FailsOnEventsOfAnotherShape(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		expression string
		want       error
	}{
		"operands that do not go together": {`event.data.id > 100`, ErrEvaluation},
		"a function of another type":       {`event.data.total.startsWith("1")`, ErrEvaluation},
		"a conversion that fails":          {`int(event.data.id) == 1`, ErrEvaluation},
		"a division by zero":               {`event.data.count / 0 == 1`, ErrEvaluation},
		"a result that is a number":        {`event.data.count`, ErrNotBool},
		"a result that is null":            {`event.data.note`, ErrNotBool},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := NewMatcher([]string{"*"}, nil, tc.expression)
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.Matches(NewInput(order()))
			if got || !errors.Is(err, tc.want) {
				t.Errorf("matches = %t, %v, want %v", got, err, tc.want)
			}
		})
	}
}

func TestNewMatcher_ExplainsWhatDoesNotCompile(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		expression   string
		line, column int
		message      string // a part of it
	}{
		"a syntax error":                     {`event.data.total >`, 1, 19, "written in CEL, see https://cel.dev"},
		"an error on the second line":        {"event.id == \"1\" &&\n  total > 1", 2, 3, "did you mean event.data.total?"},
		"an attribute without event":         {`data.total > 100`, 1, 1, "did you mean event.data.total?"},
		"an attribute without event, alone":  {`subject.startsWith("a")`, 1, 1, "did you mean event.subject.startsWith?"},
		"event in capitals":                  {`Event.type == "a"`, 1, 1, "did you mean event.type?"},
		"a field of the data":                {`event.id == "1" && customer.email == "a"`, 1, 20, "did you mean event.data.customer.email?"},
		"another system's name for the data": {`payload.action == "opened"`, 1, 1, "did you mean event.data.action?"},
		"an attribute in capitals":           {`event.Subject == "a"`, 1, 6, "did you mean event.subject"},
		"an attribute that cannot be one":    {`event.order_id == "a"`, 1, 6, "did you mean event.data.order_id?"},
		"a function that there is none of":   {`event.id.startswith("a")`, 1, 20, `did you mean startsWith?`},
		"a macro with too few arguments":     {`event.data.lines.exists(true)`, 1, 24, "takes other arguments"},
		"a function that is left out":        {`"%s".format([event.id]) == "a"`, 1, 12, `"format" is not known; it is no function of filters; use one of CEL`},
		"types that do not go together":      {`event.id > 100`, 1, 10, "(string, int)'; write values of one type, converted where they are not, such as int(event.id) > 100"},
		"types that do not add":              {`event.id + 1 == "a"`, 1, 10, "converted where they are not"},
		"a time beside a string":             {`"2026-01-01" < event.time`, 1, 14, `such as event.time > timestamp("2026-01-01T00:00:00Z")`},
		"a string that is no condition":      {`event.id ? true : false`, 1, 10, "before the ? write what is true or false"},
		"a string that is not true or false": {`event.dryrun && event.id`, 1, 22, "on both sides of && and ||"},
		"the opposite of a string":           {`!event.id`, 1, 1, `such as !(event.id == "1")`},
		"a search in a string":               {`"a" in event.id`, 1, 5, `such as event.id in ["1", "2"]`},
		"a character of a string":            {`event.id[0] == "a"`, 1, 9, "event.id.substring(0, 2)"},
		"an argument of another type":        {`event.id.startsWith(1)`, 1, 20, "give it what it takes"},
		"what the compiler alone can say":    {`has(event)`, 1, 5, "invalid argument to has() macro; correct it"},
		"a result that is a string":          {`event.subject`, 1, 1, "must be true or false, this is of type string; compare it with something"},
		"a result that is the event":         {`event`, 1, 1, "must be true or false"},
		"a pattern out of the event":         {`event.id.matches(event.data.re)`, 1, 17, `must be a literal string, such as matches("^orders/")`},
		"a pattern that does not compile":    {`event.id.matches("(")`, 1, 18, "missing closing ): `(`; correct the pattern, it is one of RE2"},
		"the second pattern of two":          {"event.id.matches(\"a\") ||\n  event.id.matches('(?=a)')", 2, 20, "without look-ahead"},
		"an event as a literal":              {`event{id: "1"}.id == "1"`, 1, 6, "write a map"},
		"blank":                              {" \n", 0, 0, "must not be blank"},
		"longer than allowed":                {`event.id == "` + strings.Repeat("x", MaxExpressionBytes) + `"`, 0, 0, "4096 bytes; shorten it"},
		"nested deeper than can be parsed":   {strings.Repeat("(", 1000) + "true" + strings.Repeat(")", 1000), 0, 0, ""},
		"a cost that is too high anyway":     {costly(), 1, 1, "more than the 20000 that are allowed; loop over fewer elements"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := NewMatcher([]string{"*"}, nil, tc.expression)
			e := refusal(t, err)
			if e.Field != "filter" || !strings.Contains(e.Message, tc.message) {
				t.Errorf("refusal = %s, want %q of the filter", e, tc.message)
			}
			if tc.line > 0 && (e.Line != tc.line || e.Column != tc.column) {
				t.Errorf("place = %d:%d, want %d:%d (%s)", e.Line, e.Column, tc.line, tc.column, e)
			}
			if len(e.Message) > 400 {
				t.Errorf("message of %d bytes, want a sentence", len(e.Message))
			}
		})
	}
}

// costly loops 50 times over 50 times over 50 elements, whatever the event is.
func costly() string {
	list := "[" + strings.Repeat("1,", 49) + "1]"
	return fmt.Sprintf("%s.map(a, %s.map(b, %s.map(c, c + 1))).size() > 0", list, list, list)
}

func TestMatcher_StopsWhatCostsTooMuch(t *testing.T) {
	t.Parallel()
	list := "[" + strings.Repeat("1,", 999) + "1]"
	long := strings.Repeat("a", 1<<18)
	tests := map[string]struct {
		expression string
		data       string
	}{
		"loops in loops":                     {`event.data.all(a, event.data.all(b, a == b))`, list},
		"lists that double":                  {`[event.data].map(d, d + d)` + strings.Repeat(`.map(d, d + d)`, 60) + `.exists(d, 7 in d)`, list},
		"strings that double":                {`[event.data].map(d, d + d)` + strings.Repeat(`.map(d, d + d)`, 60) + `.size() == 1`, `"` + long + `"`},
		"comparisons of all the data":        {`event.data.l.all(x, event.data == event.data)`, `{"l":` + list + `}`},
		"replacements that grow":             {`event.data.replace("a", "` + strings.Repeat("b", 100) + `") == ""`, `"` + long + `"`},
		"a join that grows":                  {`event.data.l.map(x, event.data.s).join() == ""`, `{"l":` + list + `,"s":"` + long + `"}`},
		"a split into too many":              {`event.data.split("").size() == 1`, `"` + long + `"`},
		"a regular expression over too much": {`event.data.matches("^(a|aa)+$")`, `"` + long + `"`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := NewMatcher([]string{"*"}, nil, tc.expression)
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.Matches(NewInput(&event.Event{Data: []byte(tc.data)}))
			if got || !errors.Is(err, ErrCostExceeded) && !errors.Is(err, ErrEvaluation) {
				t.Errorf("matches = %t, %v, want it stopped", got, err)
			}
		})
	}
}

func TestMatcher_TakesLargeEvents(t *testing.T) {
	t.Parallel()
	lines := strings.Repeat(`{"sku":"a","n":1},`, 999) + `{"sku":"z","n":2}`
	e := &event.Event{ID: "1", Subject: "orders/1", Data: []byte(`{"total":200,"text":"` + strings.Repeat("x", 1<<19) + `end","lines":[` + lines + `]}`)}
	for _, expression := range []string{
		`event.data.total > 100`,
		`event.data.text.contains("end")`,
		`event.data.text.startsWith("xxx") && event.data.text.endsWith("end")`,
		`event.data.lines.exists(l, l.sku == "z" && l.n == 2)`,
	} {
		if !mustMatch(t, expression, e) {
			t.Errorf("%s does not match", expression)
		}
	}
}

func TestMatcher_IsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var matchers []*Matcher
	for _, expression := range []string{`event.data.total > 100`, `event.data.lines.all(l, l.n > 0)`, `event.subject.matches("^o")`} {
		m, err := NewMatcher([]string{"*"}, nil, expression)
		if err != nil {
			t.Fatal(err)
		}
		matchers = append(matchers, m)
	}
	in := NewInput(order())
	var wg sync.WaitGroup
	for range 8 {
		for _, m := range matchers {
			wg.Go(func() {
				for range 50 {
					if got, err := m.Matches(in); !got || err != nil {
						t.Errorf("matches = %t, %v", got, err)
					}
				}
			})
		}
	}
	wg.Wait()
}

func TestInput_ParsesOnce(t *testing.T) {
	t.Parallel()
	in := NewInput(order())
	first, ok := in.Data().(map[string]any)
	if !ok {
		t.Fatalf("data = %T, want an object", in.Data())
	}
	first["mark"] = true // to recognize it
	again, _ := in.Data().(map[string]any)
	if again["mark"] != true {
		t.Error("the data was parsed again")
	}
}

func TestTransform_DoesNotSeeTheOrigin(t *testing.T) {
	t.Parallel()
	_, err := CompileTransform(`{"by": event.posthornorigin}`)
	e := refusal(t, err)
	if e.Field != "transform" || !strings.Contains(e.Message, "never sent out") {
		t.Errorf("refusal = %s, want one of the origin", e)
	}
}

func TestTransform_DoesNotSeeTheOriginBehindTheCompilersBack(t *testing.T) {
	t.Parallel()
	tr, err := CompileTransform(`dyn(event).?posthornorigin.orValue("hidden") + string(has(dyn(event).posthornorigin))`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tr.Eval(NewInput(order()))
	if err != nil || got.Value() != "hiddenfalse" {
		t.Errorf("result = %v, %v, want it hidden", got, err)
	}
}

func TestTransform_FailsOnWhatIsMissing(t *testing.T) {
	t.Parallel()
	tr, err := CompileTransform(`{"x": event.data.nosuch}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Eval(NewInput(order())); !errors.Is(err, ErrMissing) {
		t.Errorf("error = %v, want ErrMissing", err)
	}
}

func TestNewEnv_IsTheEnvironmentOfFilters(t *testing.T) {
	t.Parallel()
	env, err := NewEnv()
	if err != nil {
		t.Fatal(err)
	}
	if _, issues := env.Compile(`event.posthornorigin == "a"`); issues.Err() != nil {
		t.Error(issues.Err())
	}
}

func TestMatcher_SeesTimesInUTC(t *testing.T) {
	t.Parallel()
	e := order()
	e.Time = time.Date(2026, 1, 1, 0, 30, 0, 0, time.FixedZone("", 3600))
	if !mustMatch(t, `event.time.getFullYear() == 2025`, e) {
		t.Error("the year is not that of UTC")
	}
}
