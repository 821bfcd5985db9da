/** Names for the five features of the story. */
export const THINGS = ['dog', 'train', 'rain', 'guitar', 'clock'] as const;

/** The name of a feature; its number where it has no name. */
export const thing = (feature: number): string => THINGS[feature] ?? `feature ${feature}`;
