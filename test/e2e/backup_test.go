// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// The sections of docs/operations.md that have commands, and the claim that they make.
const (
	sectionBackUp  = "Back up"
	sectionRestore = "Restore"
	restored       = "posthorn-restored"
)

// restoresABackup follows the page about operations: it backs up deliveries that wait, and has them go out from a
// volume that was made of the backup.
func restoresABackup() {
	It("restores a backup into a new volume, by the commands of the page", func(ctx SpecContext) {
		before := settle(ctx)
		old := dispatcherClaim(ctx)
		holdBack(ctx, 50)

		operations := openPage("operations.md", map[string]string{"BACKUP": filepath.Join(GinkgoT().TempDir(), "posthorn.tar")})
		// The command may ask to be tried again.
		Eventually(func(ctx context.Context) error { return operations.try(ctx, sectionBackUp, nil) }).WithContext(ctx).Should(Succeed())
		operations.section(ctx, sectionRestore, nil)
		Expect(operations.missing()).To(BeEmpty(), "commands under headings that no spec follows")
		Expect(dispatcherClaim(ctx)).To(And(Equal(claimUID(ctx, restored)), Not(Equal(old))))

		suspend(ctx, false)
		total := settle(ctx).minus(before)
		Expect(total.accepted).To(BeNumerically(">=", 50))
		Expect(total.duplicates).To(BeZero(), "nothing ended after the backup had begun")
		By("accepting events on the new volume")
		produce(ctx, fast)
		flow(ctx, 50)
		settle(ctx)
		seen.note("backup restored into a new volume: what had waited arrived from there: %s", total)
	}, withTimeout)
}
