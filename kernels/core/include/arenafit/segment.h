/* Segments: pieces of a network that are run a row at a time.
 *
 * Between the operators of a segment there are only as many rows as somebody still needs. Its
 * program (arenafit/program.h has the format) says what they are and how they are made; a workspace
 * holds them. No row is made twice.
 *
 *   arenafit_segment_check(program, size)          once; nothing else takes a program unchecked
 *   arenafit_segment_rehearse(program, state)      once; its rows go through their rings
 *   arenafit_segment_run(program, inputs, outputs, workspace, source)
 */
#ifndef ARENAFIT_SEGMENT_H_
#define ARENAFIT_SEGMENT_H_

#include <stddef.h>
#include <stdint.h>

#include "arenafit/program.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  ARENAFIT_SEGMENT_OK = 0,
  ARENAFIT_SEGMENT_FORMAT,     /* not a program of this version, or not aligned */
  ARENAFIT_SEGMENT_SIZE,       /* not as long as it says */
  ARENAFIT_SEGMENT_CHECKSUM,   /* damaged */
  ARENAFIT_SEGMENT_TENSOR,     /* a tensor is empty, out of bounds or of a type not built in */
  ARENAFIT_SEGMENT_OPERATOR,   /* an operator is unknown, or has operands that it cannot have */
  ARENAFIT_SEGMENT_SHAPE,      /* the tensors of an operator do not go together */
  ARENAFIT_SEGMENT_PARAMETERS, /* the parameters of an operator are out of bounds or range */
  ARENAFIT_SEGMENT_GOAL,       /* a goal cannot be reached, or an output is not */
  ARENAFIT_SEGMENT_RING,       /* a row is lost before it is read for the last time */
  ARENAFIT_SEGMENT_OVERLAP,    /* an output may be nearer to an input than is safe */
  ARENAFIT_SEGMENT_ALIGNMENT,  /* a tensor's address is no multiple of its elements' size */
  ARENAFIT_SEGMENT_SOURCE,     /* rows have to be fed, and there is no source of them */
  ARENAFIT_SEGMENT_ABORTED     /* the source of rows gave up */
} arenafit_segment_status;

/* A few words for people; never NULL. */
const char* arenafit_segment_text(arenafit_segment_status status);

/* Whether arenafit_segment_run would stay within the program, the tensors and the workspace.
 *
 * program   may hold anything
 * size      its bytes
 *
 * Reads nothing outside of `program`.
 */
arenafit_segment_status arenafit_segment_check(const void* program, size_t size);

/* Whether the results will be right as far as rows go: none is read before it is made, or after its
 * place in a ring or under an output is another's; all outputs will be complete. (Rings that share
 * memory are the writer's business.)
 *
 * program   checked
 * state     ARENAFIT_STATE_SIZE(operators) bytes, aligned as uint16_t; the start of the workspace
 *           will do
 *
 * Takes about as many instructions as there are rows in the segment, times a hundred.
 */
arenafit_segment_status arenafit_segment_rehearse(const arenafit_program* program, void* state);

/* Bytes of the workspace, which must be aligned to ARENAFIT_PROGRAM_ALIGNMENT. */
static inline size_t arenafit_segment_get_buffer_size(const arenafit_program* program) {
  return program->workspace;
}

/* Bytes of an input or output of a checked program, index < program->inputs or outputs. */
size_t arenafit_segment_input_size(const arenafit_program* program, uint32_t index);
size_t arenafit_segment_output_size(const arenafit_program* program, uint32_t index);

/* arenafit_tensor_type of an input or output of a checked program. */
uint32_t arenafit_segment_input_type(const arenafit_program* program, uint32_t index);
uint32_t arenafit_segment_output_type(const arenafit_program* program, uint32_t index);

/* Whether all tensors are aligned as their elements are, and all outputs disjoint from each other
 * and from all inputs, or as far from these as the checked and rehearsed program asks for. */
arenafit_segment_status arenafit_segment_check_overlap(const arenafit_program* program,
                                                       const void* const* inputs,
                                                       void* const* outputs);

/* Makes the next row of an input that does not lie in memory: an operator ARENAFIT_FEED.
 *
 * context   that of the arenafit_source
 * input     number of the input, as the program has it
 * row       number of the row. Those of an input come from 0 on, in order, each once in a run; the
 *           last ones do not come if nobody needs them. Several inputs take turns.
 * into      where to write it, until the function returns; aligned as an element is
 * bytes     of the row: all of them are to be written
 *
 * Returns 0. Anything else ends the run.
 *
 * It is called by arenafit_segment_run, on its stack and in its thread, and takes its time: it may
 * wait for a camera. It may do anything but touch the run's tensors and workspace.
 */
typedef int (*arenafit_next_row)(void* context, uint32_t input, uint32_t row, void* into,
                                 size_t bytes);

typedef struct {
  arenafit_next_row next_row;
  void* context; /* passed on, never looked at */
} arenafit_source;

/* Whether rows are fed to a checked program, so that it cannot run without a source. */
int arenafit_segment_is_fed(const arenafit_program* program);

/* Whether a checked program is one convolution: all of its operators are ARENAFIT_CONV_2D, each reads
 * the input of its own number and, but for the first, the sums of the one before it; the last makes
 * the only output. Its inputs are then slices of the channels of what is convolved. */
int arenafit_segment_is_partial_conv(const arenafit_program* program);

/* Runs the segment.
 *
 * program     checked
 * inputs      the segment's inputs, of the sizes above
 * outputs     the segment's outputs; where they overlap inputs, checked
 * workspace   arenafit_segment_get_buffer_size(program) bytes, of any content, apart from all else
 * source      of the rows that are fed; NULL where there are none
 *
 * Returns ARENAFIT_SEGMENT_OK, but
 *   ARENAFIT_SEGMENT_SOURCE    where rows are fed and `source` or its function is NULL; nothing has
 *                              been done then
 *   ARENAFIT_SEGMENT_ABORTED   where the source said so; outputs and workspace hold anything then,
 *                              and the next run begins anew
 */
arenafit_segment_status arenafit_segment_run(const arenafit_program* program,
                                             const void* const* inputs, void* const* outputs,
                                             void* workspace, const arenafit_source* source);

#ifdef __cplusplus
}
#endif

#endif /* ARENAFIT_SEGMENT_H_ */
