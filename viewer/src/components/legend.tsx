/** What the marks of the plane mean. */
export function PlaneLegend({ point = false }: { readonly point?: boolean }) {
  return (
    <div class="legend">
      <span>
        <svg width="26" height="10" aria-hidden="true">
          <line
            x1="5"
            x2="21"
            y1="5"
            y2="5"
            stroke="var(--feature-0)"
            stroke-opacity="0.35"
            stroke-width="8"
            stroke-linecap="round"
          />
        </svg>
        true direction
      </span>
      <span>
        <svg width="26" height="10" aria-hidden="true">
          <path d="M1 5H18" stroke="var(--feature-0)" stroke-width="2.25" />
          <path d="M25 5l-9-4v8z" fill="var(--feature-0)" />
        </svg>
        latent, in the colour of its match
      </span>
      <span>
        <svg width="26" height="10" aria-hidden="true">
          <path d="M1 5H18" stroke="var(--unmatched)" stroke-width="2.25" stroke-dasharray="5 4" />
          <path d="M25 5l-9-4v8z" fill="var(--unmatched)" />
        </svg>
        latent without one
      </span>
      {point && (
        <span>
          <svg width="26" height="12" aria-hidden="true">
            <circle cx="5" cy="6" r="4.5" fill="var(--ink)" />
            <rect
              x="17"
              y="3"
              width="6"
              height="6"
              transform="rotate(45 20 6)"
              fill="none"
              stroke="var(--ink)"
              stroke-width="1.5"
            />
          </svg>
          activation and its reconstruction
        </span>
      )}
    </div>
  );
}
