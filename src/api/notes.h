/* notes.h - notes on the history: at a moment or over a time, on points, devices and assets. A note
 * is a record of kind _note: {"from","to" (us),"category","text","points":[ids],"devices":[],
 * "assets":[],"by","time","edited":{"by","time"}?}. Who sees all that it is on sees it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_API_NOTES_H
#define SH_API_NOTES_H

#include "api_int.h"

#define NOTE_KIND SH_STR("_note")
enum { NOTES_MAX = 10000, NOTE_TARGETS = 50, NOTE_TEXT = 4000 };

/* Does the caller see all that the note is on? With nothing left of it: who sees the whole plant.
 */
bool note_seen(struct api_req *r, const json_t *doc);
/* Is one of the points and devices that it is on above the caller's clearance? Its text is then not
 * shown, nor searched. */
bool note_masked(struct api_req *r, const json_t *doc);
/* The highest class of what it is on. */
struct sh_data_class note_class(struct api_req *r, const json_t *doc);
/* The note as an answer shows it. */
void note_put(struct api_req *r, struct sh_str id, const json_t *doc, enum api_time_form form);
bool note_category(struct sh_str word);

#endif /* SH_API_NOTES_H */
