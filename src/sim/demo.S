/* demo.S - the starter pack's files inside the binary.
 * SPDX-License-Identifier: Apache-2.0 */
    .section .rodata
    .macro pack name
    .global demo_\name
    .balign 8
demo_\name:
    .incbin "demo/\name\().json"
    .global demo_\name\()_end
demo_\name\()_end:
    .endm
    pack things
    pack assets
    pack devices
    pack channels
    pack charts
    .section .note.GNU-stack,"",%progbits
