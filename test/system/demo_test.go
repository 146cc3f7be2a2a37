// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package system

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestDemo_SeesEveryStepWork runs what the README promises to a newcomer. The demo itself checks every
// step of the main job, from apply to the closed circuit and the even accounts, and says so.
func TestDemo_SeesEveryStepWork(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "demo")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "DEMO_EXIT=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make demo: %v\n%s", err, out)
	}
	for _, want := range []string{
		"signature verified: answered 200", `POST /slack: text "Alert disk is firing": answered 200`, "answered 500",
		"dev.posthorn.kubernetes.apps.deployment.updated: signature verified: answered 200",
		"dev.posthorn.kubernetes.apps.deployment.updated.recovered: signature verified: answered 200",
		"posthorn_unaccounted_deliveries 0", "steps were seen to work.",
	} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("the demo did not say %q:\n%s", want, out)
		}
	}
	state := regexp.MustCompile(`removing (\S+)`).FindSubmatch(out)
	if state == nil {
		t.Fatalf("the demo did not say what it removed:\n%s", out)
	}
	dir := string(state[1])
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the demo left %s behind (%v)", dir, err)
	}
	if left := processesOf(t, dir); len(left) > 0 {
		t.Errorf("the demo left processes behind: %s", strings.Join(left, "; "))
	}
}

// processesOf lists the processes whose command line names the directory.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		line, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err == nil && bytes.Contains(line, []byte(dir)) {
			found = append(found, string(bytes.ReplaceAll(line, []byte{0}, []byte(" "))))
		}
	}
	return found
}
