/* heap.c - giving free memory back is not in C.
 * SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>

#include <sh/alloc.h>

void sh_heap_trim(void)
{
    (void)malloc_trim(0);
}
