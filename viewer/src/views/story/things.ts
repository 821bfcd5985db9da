/** The five features of the story, named so that a person can hold them. */
export const THINGS = ['dog', 'train', 'rain', 'guitar', 'clock'] as const;

export const thing = (feature: number): string => THINGS[feature] ?? `feature ${feature}`;
