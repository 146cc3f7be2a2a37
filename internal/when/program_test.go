// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package when

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

const (
	short = `{"metadata":{"name":"web","namespace":"team-a","creationTimestamp":"2026-11-01T00:00:00Z","generation":3,
		"labels":{"app":"web","tier/x":"y"},"managedFields":[{"manager":"kubectl"}]},
		"spec":{"replicas":3,"paused":true,"template":{"spec":{"containers":[{"name":"app","image":"a:1"},{"name":"side","image":"b:2"}]}}},
		"status":{"conditions":[{"type":"Progressing","status":"True"}],"replicas":3}}`
	whole = `{"metadata":{"name":"web","namespace":"team-a","creationTimestamp":"2026-11-01T00:00:00Z","generation":4},
		"spec":{"replicas":3,"template":{"spec":{"containers":[{"name":"app","image":"a:2"}]}}},
		"status":{"availableReplicas":3,"replicas":3,"conditions":[{"type":"Available","status":"True"}]}}`
	killed = `{"metadata":{"name":"web-1"},"spec":{"nodeName":"n"},"status":{"phase":"Running","containerStatuses":[
		{"name":"app","restartCount":1,"ready":true,"state":{"running":{"startedAt":"2026-11-01T00:00:00Z"}},
		 "lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled","startedAt":null}}}]}}`
	healthy = `{"metadata":{"name":"web-1"},"status":{"phase":"Running","containerStatuses":[{"name":"app","ready":true,"state":{"running":{}},"lastState":{}}]}}`
	widget  = `{"metadata":{"name":"w"},"spec":{"port":"http","weight":2,"namespace":"n","for":"90s","max-size":5,"my__own":"x","example.com/x":true,
		"opened":"2026-11-01","key":"aGVsbG8=","values":{"a":{"b":[1,2.5]}},"template":{"kind":"K","extra":7},
		"parts":[{"name":"p","count":2,"sizes":[1,2]},{"name":"q"}],"limits":{"cpu":{"soft":1}}},"status":{"phase":null}}`
)

// TestEval_HoldsOrNot is what expressions mean, with a schema and without one.
func TestEval_HoldsOrNot(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind, expression, object, old string
		want                          bool
	}{
		// The API server leaves out availableReplicas while there are none.
		{"Deployment", `object.status.availableReplicas < object.spec.replicas`, short, whole, true},
		{"Deployment", `object.status.availableReplicas < object.spec.replicas`, whole, short, false},
		{"Deployment", `object.status.?availableReplicas.orValue(0) < object.spec.replicas`, short, whole, true},
		{"", `object.status.?availableReplicas.orValue(0) < object.spec.replicas`, short, whole, true},
		{"", `object.status.?availableReplicas.orValue(0) < object.spec.replicas`, whole, short, false},
		{"Deployment", `has(object.status.availableReplicas)`, short, "", false},
		{"Deployment", `has(object.status.availableReplicas)`, whole, "", true},
		{"Deployment", `object.spec.paused`, short, "", true},
		{"Deployment", `object.spec.paused`, whole, "", false},
		{"Deployment", `object.status.conditions.exists(c, c.type == "Progressing" && c.status == "True" && c.reason == "")`, short, "", true},
		{"Deployment", `size(object.metadata.finalizers) == 0 && !("x" in object.metadata.annotations) && object.metadata.labels.app == "web"`, short, "", true},
		{"Deployment", `object.metadata.labels["tier/x"] == "y" && object.metadata.namespace == "team-a" && object.metadata.__namespace__ == "team-a"`, short, "", true},
		{"Deployment", `object.metadata.creationTimestamp < timestamp("2026-11-02T00:00:00Z")`, short, "", true},
		{"Deployment", `has(object.metadata.deletionTimestamp)`, short, "", false},
		{"Deployment", `object.spec.template.spec.containers[0].image != oldObject.spec.template.spec.containers[0].image`, whole, short, true},
		{"Deployment", `object.spec != oldObject.spec && object.spec == object.spec`, whole, short, true},
		{"Deployment", `object.spec.template == oldObject.spec.template`, short, short, true},
		{"Deployment", `object.metadata == oldObject.metadata`, strings.Replace(short, "kubectl", "other", 1), short, true},
		{"Deployment", `oldObject == null && operation == "Created"`, short, "", true},
		{"Deployment", `oldObject == null || oldObject.spec.replicas != object.spec.replicas`, short, "", true},
		{"Deployment", `oldObject == null || oldObject.spec.replicas != object.spec.replicas`, whole, short, false},
		{"Deployment", `has(oldObject.spec)`, short, "", false},
		{"Deployment", `oldObject.?spec.hasValue()`, short, "", false},
		{"Deployment", `dyn(object)["spec"]["replicas"] == 3 && has(dyn(object).spec.replicas)`, short, "", true},
		{"Deployment", `object.spec.template.spec.containers.map(c, c.name) == ["app", "side"]`, short, "", true},
		{"Deployment", `object.spec.template.spec.containers.all(c, c.image.matches("^[ab]:[0-9]$"))`, short, "", true},
		{"Deployment", `object.spec.strategy.rollingUpdate.maxSurge == "25%"`, `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":"25%"}}}}`, "", true},
		{"Deployment", `object.spec.strategy.rollingUpdate.maxSurge == 1`, `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":1}}}}`, "", true},
		{"Pod", `object.status.containerStatuses.exists(s, s.lastState.terminated.reason == "OOMKilled")`, killed, "", true},
		{"Pod", `object.status.containerStatuses.exists(s, has(s.lastState.terminated) && s.lastState.terminated.exitCode == 0)`, healthy, "", false},
		{"Pod", `object.status.containerStatuses.all(s, s.ready && s.restartCount == 0)`, healthy, "", true},
		{"CustomResourceDefinition", `object.spec.versions.exists(v, v.schema.openAPIV3Schema.properties["a"].properties["b"].type == "string")`, `{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"properties":{"a":{"properties":{"b":{"type":"string"}}}}}}}]}}`, "", true},
		{"Widget", `object.spec.port == "http" && object.spec.weight == 2.0 && object.spec.weight > 1`, widget, "", true},
		{"Widget", `object.spec.__for__ == duration("1m30s") && object.spec.max__dash__size == 5 && object.spec.my__underscores__own == "x"`, widget, "", true},
		{"Widget", `object.spec.example__dot__com__slash__x && object.spec.__namespace__ == "n" && object.spec.namespace == "n"`, widget, "", true},
		{"Widget", `object.spec.opened == timestamp("2026-11-01T00:00:00Z") && object.spec.key == b"hello"`, widget, "", true},
		{"Widget", `object.spec.values.a.b[1] == 2.5 && object.spec.template.extra == 7 && object.spec.template.kind == "K"`, widget, "", true},
		{"Widget", `object.spec.parts[1].count == 0 && object.spec.parts[0].sizes.exists(x, x == 2) && object.spec.limits.cpu.soft == 1`, widget, "", true},
		{"Widget", `!has(object.status.phase) && object.status.phase == "" && !object.status.ready`, widget, "", true},
		{"Loop", `object.self.self.many.exists(l, has(l.self))`, `{"self":{"self":{"many":[{"self":{}}]}}}`, "", true},
		{"", `object.spec.values.a.b[0] == 1 && object.spec.port == "http"`, widget, "", true},
		{"", `!has(object.metadata.managedFields)`, short, "", true},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s %s", test.kind, test.expression), func(t *testing.T) {
			t.Parallel()
			operation := Updated
			if test.old == "" {
				operation = Created
			}
			got, err := must(t, test.expression, schemas()[test.kind]).Eval(operation, decode(t, test.object), decode(t, test.old))
			if err != nil || got != test.want {
				t.Errorf("holds = %t, %v; want %t", got, err, test.want)
			}
		})
	}
}

// TestEval_Fails says what an evaluation cannot tell, and how that is called.
func TestEval_Fails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind, expression, object string
		want                     error
	}{
		// Absent objects, times and entries of maps are not read as anything.
		{"Pod", `object.status.containerStatuses[0].lastState.terminated.exitCode == 0`, healthy, ErrMissing},
		{"Deployment", `object.metadata.deletionTimestamp > timestamp("2026-11-02T00:00:00Z")`, short, ErrMissing},
		{"Deployment", `object.metadata.labels["none"] == ""`, short, ErrMissing},
		{"Deployment", `object.status.conditions[3].status == "True"`, short, ErrMissing},
		{"Deployment", `oldObject.spec.replicas != object.spec.replicas`, short, ErrMissing},
		{"Deployment", `dyn(object).none == 1`, short, ErrMissing},
		{"", `object.status.availableReplicas < object.spec.replicas`, short, ErrMissing},
		{"", `object.metadata.managedFields.size() > 0`, short, ErrMissing},
		{"", `object.spec.port`, widget, ErrNotBool},
		{"", `object.spec.port + 1 == 2`, widget, ErrEvaluation},
		{"Widget", `object.spec.weight > 1.0 && 1 / object.spec.parts[1].count == 2`, widget, ErrEvaluation},
	}
	for _, test := range tests {
		t.Run(test.kind+" "+test.expression, func(t *testing.T) {
			t.Parallel()
			got, err := must(t, test.expression, schemas()[test.kind]).Eval(Created, decode(t, test.object), nil)
			if got || !errors.Is(err, test.want) {
				t.Errorf("holds = %t, %v; want %v", got, err, test.want)
			}
		})
	}
}

// TestEval_IsBounded lets expressions run over an object that is as large as they get.
func TestEval_IsBounded(t *testing.T) {
	t.Parallel()
	parts := strings.Repeat(`{"name":"p","count":1,"sizes":[1,2,3]},`, 35_000)
	large := decode(t, `{"spec":{"parts":[`+strings.TrimSuffix(parts, ",")+`]}}`)
	for _, expression := range []string{
		`object.spec.parts.all(p, p.count == 1)`,
		`object.spec.parts.all(p, object.spec.parts == object.spec.parts)`,
		`object.spec.parts.all(p, object.spec == oldObject.spec)`,
		`object.spec.parts.all(p, object == oldObject && p in oldObject.spec.parts)`,
	} {
		for kind, s := range map[string]*Schema{"Widget": schemas()["Widget"], "none": nil} {
			if holds, err := must(t, expression, s).Eval(Updated, large, large); holds || !errors.Is(err, ErrCostExceeded) {
				t.Errorf("%s: %s: holds = %t, %v; want %v", kind, expression, holds, err, ErrCostExceeded)
			}
		}
	}
}

// TestCompile_Refuses says what authors read of their mistakes.
func TestCompile_Refuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ kind, expression, want string }{
		{"Deployment", `object.spec.replica > 1`, "expression: line 1, column 12: object.spec.replica does not exist; the nearest is replicas"},
		{"Deployment", `object.status.AvailableReplica > 1`, "object.status.AvailableReplica does not exist; the nearest is availableReplicas"},
		{"Deployment", `has(object.spec.pause)`, "object.spec.pause does not exist; the nearest is paused"},
		{"Deployment", `object.spec.template.spec.containers.exists(c, c.imag == "a")`, "c.imag does not exist; the nearest is image"},
		{"Deployment", `object.spec.template.spec.containers[0].imag == "a"`, "object.spec.template.spec.containers[…].imag does not exist; the nearest is image"},
		{"Deployment", `object.status.?availableReplica.orValue(0) == 0`, "object.status.availableReplica does not exist; the nearest is availableReplicas"},
		{"Deployment", `object.replicas == 0`, "object.replicas does not exist; did you mean object.spec.replicas?"},
		{"Deployment", `object.zzz == 0`, "object.zzz does not exist; what there is: apiVersion, kind, metadata, spec, status"},
		{"Deployment", `oldObject.metadata.managedFields.size() > 0`, "oldObject.metadata.managedFields is not shown to expressions"},
		{"Deployment", `spec.replicas > 1`, `"spec" is not known; the variables are object, oldObject and operation; did you mean object.spec?`},
		{"Deployment", `oldobject.spec.replicas > 1`, `did you mean oldObject?`},
		{"Deployment", `object.spec.replicas == "3"`, "found no matching overload for '_==_' applied to '(int, string)'; write values"},
		{"Deployment", `object.spec.replicas`, "an expression must be true or false, this is of type int; compare it with something"},
		{"Deployment", `object.spec.paused && object.spec.replicas`, "expected type 'bool'"},
		{"Deployment", `object.spec.`, "correct it"},
		{"Deployment", ` `, "must not be blank"},
		{"Deployment", strings.Repeat("!", 5000) + "true", "must not be longer than 4096 bytes"},
		{"Deployment", `object.metadata.name.matches(object.metadata.namespace)`, "must be a literal string"},
		{"Deployment", `io.k8s.api.apps.v1.Deployment{} == object`, "messages cannot be made here"},
		{"", `object.name == foo`, `"foo" is not known`},
		{"", `event.data.total > 1`, `"event" is not known`},
	}
	for _, test := range tests {
		t.Run(test.expression[:min(60, len(test.expression))], func(t *testing.T) {
			t.Parallel()
			e := refusal(t, test.expression, schemas()[test.kind])
			if e.Field != "expression" || !strings.Contains(e.Error(), test.want) {
				t.Errorf("error = %q, want it to contain %q", e, test.want)
			}
		})
	}
}

func TestProgram_TellsWhatItReads(t *testing.T) {
	t.Parallel()
	type reads struct{ oldObject, operation bool }
	for expression, want := range map[string]reads{
		`object.spec.replicas > 1`:                                  {},
		`operation == "Updated" && object.kind == "oldObject"`:      {operation: true},
		`object.metadata.name == "operation"`:                       {},
		`object.spec != oldObject.spec`:                             {oldObject: true},
		`object.spec.replicas > 1 && has(oldObject.metadata.name)`:  {oldObject: true},
		`object.metadata.finalizers.exists(f, oldObject.kind == f)`: {oldObject: true},
	} {
		p := must(t, expression, schemas()["Deployment"])
		if got := (reads{p.UsesOldObject(), p.UsesOperation()}); got != want {
			t.Errorf("%s reads %+v, want %+v", expression, got, want)
		}
	}
}

// TestProgram_IsSafeForConcurrentUse is for the race detector.
func TestProgram_IsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	object := decode(t, short)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			p := must(t, `object.status.availableReplicas < object.spec.replicas && object.metadata.labels.exists(l, l == "app") && object.spec.?paused.orValue(false)`, schemas()["Deployment"])
			for range 50 {
				if holds, err := p.Eval(Updated, object, object); !holds || err != nil {
					t.Errorf("holds = %t, %v", holds, err)
				}
			}
		})
	}
	wg.Wait()
	if object["metadata"].(map[string]any)["managedFields"] == nil {
		t.Error("the object was changed")
	}
}
