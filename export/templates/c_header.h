{% macro tensor(name, detail) %}
#define {{ name }}_TYPE {{ detail.type }}
#define {{ name }}_RANK {{ detail.shape | length }}
#define {{ name }}_SHAPE {{ "{" }}{{ detail.shape | join(", ") }}{{ "}" }}
#define {{ name }}_SIZE {{ detail.size }}
#define {{ name }}_SCALE {{ detail.scale }}f
#define {{ name }}_ZERO_POINT ({{ detail.zero_point }})
{% endmacro %}
/* {{ model_name }}, int8: a TFLite file and what its numbers mean, by digitline.
 * Include it in one source file: it defines the arrays.
 * A number q of a tensor stands for SCALE * (q - ZERO_POINT). */
#ifndef {{ prefix }}_H_
#define {{ prefix }}_H_

#include <stdint.h>

/* Images: row by row, batch, height, width, channels. */
{{ tensor(prefix + "_INPUT", images) }}
/* Probabilities: the output number INDEX, one for each class. */
#define {{ prefix }}_OUTPUT_INDEX {{ output_index }}
{{ tensor(prefix + "_OUTPUT", probabilities) -}}
#define {{ prefix }}_CLASSES {{ labels | length }}

/* The label of each class. */
const char *const {{ name }}_labels[] = {
{% for label in labels %}
    "{{ label }}",
{% endfor %}
};

#if defined(__cplusplus)
#define {{ prefix }}_ALIGN alignas(16)
#elif defined(__GNUC__)
#define {{ prefix }}_ALIGN __attribute__((aligned(16)))
#else
#define {{ prefix }}_ALIGN _Alignas(16)
#endif

const unsigned int {{ name }}_len = {{ length }};
{{ prefix }}_ALIGN const unsigned char {{ name }}[] = {
{% for row in rows %}
    {{ row }},
{% endfor %}
};

#undef {{ prefix }}_ALIGN
#endif /* {{ prefix }}_H_ */
